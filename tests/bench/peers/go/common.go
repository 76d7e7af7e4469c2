// A peer of the benchmark: Go's net/http, with one file an event or with a segment that is synced in groups.
package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
)

type store interface {
	keep(body []byte) error
}

func understand(document []byte) {
	if bytes.HasPrefix(bytes.TrimLeft(document, " \r\n\t"), []byte("<")) {
		decoder := xml.NewDecoder(bytes.NewReader(document))
		for {
			if _, err := decoder.Token(); err != nil {
				return
			}
		}
	}
	var data interface{}
	_ = json.Unmarshal(document, &data)
}

func parse(contentType string, body []byte) error {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		understand(body)
		return nil
	}
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		payload, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "application/") {
			understand(payload)
		}
	}
}

func read(request *http.Request) ([]byte, error) {
	if request.ContentLength < 0 {
		return io.ReadAll(request.Body)
	}
	body := make([]byte, request.ContentLength)
	_, err := io.ReadFull(request.Body, body)
	return body, err
}

func main() {
	port, folder, kind := os.Args[1], os.Args[2], os.Args[3]
	var kept store = &files{folder: folder}
	if kind == "segment" {
		kept = newSegment(folder)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		body, err := read(request)
		if err == nil {
			err = parse(request.Header.Get("Content-Type"), body)
		}
		if err == nil {
			err = kept.keep(body)
		}
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
