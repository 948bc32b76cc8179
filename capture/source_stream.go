package capture

import (
	"errors"
	"io"
)

// errStopped ends a stream whose reading was stopped from outside.
var errStopped = errors.New("reading was stopped")

const (
	streamBlock  = 256 << 10 // what is read of a stream at once, at most
	streamBlocks = 4         // that are read, or wait
)

// stoppable reads a stream that may be silent for ever: when stop is closed, Read gives errStopped, and the read of src that is under way
// is left behind in its goroutine, which ends with it.
type stoppable struct {
	blocks chan streamPart
	free   chan []byte
	stop   <-chan struct{}
	part   streamPart // what was read and not given yet
	whole  []byte     // the buffer behind it
}

type streamPart struct {
	data []byte
	err  error
}

func newStoppable(src io.Reader, stop <-chan struct{}) *stoppable {
	widen(src)
	s := &stoppable{blocks: make(chan streamPart, streamBlocks), free: make(chan []byte, streamBlocks), stop: stop}
	for range streamBlocks {
		s.free <- make([]byte, streamBlock)
	}
	go s.pump(src)
	return s
}

func (s *stoppable) pump(src io.Reader) {
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.stop:
			return
		}
		n, err := src.Read(buf)
		select {
		case s.blocks <- streamPart{buf[:n], err}:
		case <-s.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read waits for the first bytes, and takes with them what has come behind.
func (s *stoppable) Read(p []byte) (n int, err error) {
	for len(p) > n && (n == 0 || len(s.part.data)+len(s.blocks) > 0) {
		for len(s.part.data) == 0 && err == nil {
			if err = s.part.err; err == nil {
				err = s.next()
			}
		}
		if err != nil && n > 0 {
			return n, nil // the error comes again
		}
		if err != nil {
			return 0, err
		}
		taken := copy(p[n:], s.part.data)
		s.part.data = s.part.data[taken:]
		n += taken
	}
	return n, nil
}

// next waits for the next part.
func (s *stoppable) next() error {
	if s.whole != nil {
		s.free <- s.whole
		s.whole = nil
	}
	select {
	case s.part = <-s.blocks:
		s.whole = s.part.data[:cap(s.part.data)]
		return nil
	case <-s.stop:
		return errStopped
	}
}
