package main

import (
	"encoding/binary"
	"hash/crc32"
	"log"
	"os"
	"path/filepath"
	"syscall"
)

const (
	segmentSize  = 64 << 20
	segmentCount = 8
	groupBytes   = 4 << 20
	groupRecords = 256
)

type record struct {
	body []byte
	done chan error
}

// The same kind of store as hikrecv's: preallocated segments used in turn, one writer, group commit.
type segment struct {
	queue chan record
	files []*os.File
	turn  int
	at    int64
	sums  *crc32.Table
}

func newSegment(folder string) *segment {
	s := &segment{queue: make(chan record, 4096), sums: crc32.MakeTable(crc32.Castagnoli)}
	zeros := make([]byte, 1<<20)
	for n := 0; n < segmentCount; n++ {
		file, err := os.OpenFile(filepath.Join(folder, "segment-"+string(rune('a'+n))), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		if err := syscall.Fallocate(int(file.Fd()), 0, 0, segmentSize); err != nil {
			log.Fatal(err)
		}
		for at := int64(0); at < segmentSize; at += int64(len(zeros)) {
			if _, err := file.WriteAt(zeros, at); err != nil {
				log.Fatal(err)
			}
		}
		if err := file.Sync(); err != nil {
			log.Fatal(err)
		}
		s.files = append(s.files, file)
	}
	go s.write()
	return s
}

func (s *segment) keep(body []byte) error {
	done := make(chan error, 1)
	s.queue <- record{body, done}
	return <-done
}

func (s *segment) write() {
	for first := range s.queue {
		group, size := []record{first}, len(first.body)
		for len(group) < groupRecords && size < groupBytes {
			select {
			case next := <-s.queue:
				group = append(group, next)
				size += len(next.body)
				continue
			default:
			}
			break
		}
		err := s.put(group)
		for _, each := range group {
			each.done <- err
		}
	}
}

func (s *segment) put(group []record) error {
	touched := map[*os.File]bool{}
	for _, each := range group {
		whole := (int64(len(each.body)) + 16 + 7) &^ 7
		if s.at+whole > segmentSize {
			s.turn, s.at = (s.turn+1)%segmentCount, 0
		}
		file := s.files[s.turn]
		var head [16]byte
		binary.LittleEndian.PutUint64(head[0:], uint64(len(each.body)))
		binary.LittleEndian.PutUint32(head[8:], crc32.Checksum(each.body, s.sums))
		if _, err := file.WriteAt(head[:], s.at); err != nil {
			return err
		}
		if _, err := file.WriteAt(each.body, s.at+16); err != nil {
			return err
		}
		s.at += whole
		touched[file] = true
	}
	for file := range touched {
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return err
		}
	}
	return nil
}
