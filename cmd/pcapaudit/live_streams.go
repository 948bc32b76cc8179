package main

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// stream is a standard stream that a goroutine of its own writes to, so that whoever does not read it holds up nobody. Each Write is one message,
// and arrives whole or not at all.
type stream struct {
	to      io.Writer
	told    func(error) // called with the first of errors in a row, from the goroutine; nil: nobody wants to know
	queue   chan []byte
	done    chan struct{}
	waiting atomic.Int64 // bytes
	lost    atomic.Uint64

	mu     sync.Mutex
	closed bool  // of the queue
	err    error // of the last write; read it when done
}

// Limits of what waits for the reader of a stream. A single message may be larger than the bytes.
const (
	maxStreamMessages = 1 << 12
	maxStreamBytes    = 16 << 20
)

var errNotRead = errors.New("nobody reads it")

func newStream(to io.Writer, told func(error)) *stream {
	s := &stream{to: to, told: told, queue: make(chan []byte, maxStreamMessages), done: make(chan struct{})}
	go s.run()
	return s
}

// Write never waits. What does not fit is counted, and an error.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.waiting.Load(); s.closed || n > 0 && n+int64(len(b)) > maxStreamBytes {
		s.lost.Add(1)
		return 0, errNotRead
	}
	s.waiting.Add(int64(len(b)))
	select {
	case s.queue <- append([]byte(nil), b...):
		return len(b), nil
	default:
		s.waiting.Add(-int64(len(b)))
		s.lost.Add(1)
		return 0, errNotRead
	}
}

// run is the goroutine.
func (s *stream) run() {
	defer close(s.done)
	for b := range s.queue {
		_, err := s.to.Write(b)
		if err != nil {
			s.lost.Add(1)
		}
		if err != nil && s.err == nil && s.told != nil {
			s.told(err)
		}
		s.err = err
		s.waiting.Add(-int64(len(b)))
	}
}

// close waits until all is written, or the time is over. The error is that of the last write.
func (s *stream) close(until time.Time) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-time.After(max(time.Until(until), 0)):
		return errNotRead
	}
}
