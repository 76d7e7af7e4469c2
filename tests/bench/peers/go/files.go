package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

type files struct {
	folder string
	number int64
}

// One file an event: write, fsync, rename, fsync of the folder.
func (f *files) keep(body []byte) error {
	name := filepath.Join(f.folder, fmt.Sprintf("%d-%d", os.Getpid(), atomic.AddInt64(&f.number, 1)))
	file, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(f.folder)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
