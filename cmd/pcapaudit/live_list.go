package main

import (
	"errors"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/reports"
)

// liveList writes the connections of a period to a file, which gets its name when the period ends. The lines pass through a queue, so that no
// disk costs a packet; where that overflows the list is given up: one with holes would be taken for whole.
type liveList struct {
	files *liveFiles
	path  string
	list  *reports.Connections
	queue chan []byte
	lost  bool // some of it; read it when the queue is closed
}

// maxListChunks bounds the list's queue: as many chunks of 64 KiB.
const maxListChunks = 256

var errListFull = errors.New("the disk is slower than the connections; the list of this period is given up")

// newLiveList begins the list of a period.
func newLiveList(files *liveFiles, path string) *liveList {
	l := &liveList{files: files, path: path, queue: make(chan []byte, maxListChunks)}
	format := "json"
	if strings.HasSuffix(path, ".csv") {
		format = "csv"
	}
	l.list, _ = reports.NewConnections(l, format, reports.Look{}, true) // both are formats
	files.done.Go(l.run)
	return l
}

// add takes a connection.
func (l *liveList) add(c *flow.Conn, j classify.Judgement) { l.list.Write(c, &j) }

// Write takes a chunk of the list. It never waits.
func (l *liveList) Write(b []byte) (int, error) {
	select {
	case l.queue <- append([]byte(nil), b...):
		return len(b), nil
	default:
		return 0, errListFull
	}
}

// end closes the list; its file gets its name, unless there was an error.
func (l *liveList) end() {
	l.lost = l.list.Close() != nil
	close(l.queue)
}

// run is the goroutine of a list.
func (l *liveList) run() {
	if err := l.write(); err != nil {
		for range l.queue { // nobody else empties it
		}
		l.files.dropped.Add(1)
		l.files.u.explain(err)
	}
}

func (l *liveList) write() error {
	file, err := createOutput(l.path)
	if err != nil {
		return err
	}
	defer file.discard()
	for chunk := range l.queue {
		if _, err := file.Write(chunk); err != nil {
			return file.uncommitted(err)
		}
	}
	if l.lost {
		return outputError(l.path, errListFull, "write it to a faster disk, or leave it out")
	}
	return file.commit()
}
