package capture

import (
	"errors"
	"io"
)

// errStopped ends a stream whose reading was stopped from outside.
var errStopped = errors.New("reading was stopped")

// streamBlock is what is read of a stream at once; a pipe holds as much.
const streamBlock = 64 << 10

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
	s := &stoppable{blocks: make(chan streamPart), free: make(chan []byte, 2), stop: stop}
	s.free <- make([]byte, streamBlock)
	s.free <- make([]byte, streamBlock)
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

func (s *stoppable) Read(p []byte) (int, error) {
	for len(s.part.data) == 0 && s.part.err == nil {
		if s.whole != nil {
			s.free <- s.whole
			s.whole = nil
		}
		select {
		case s.part = <-s.blocks:
			s.whole = s.part.data[:cap(s.part.data)]
		case <-s.stop:
			return 0, errStopped
		}
	}
	n := copy(p, s.part.data)
	s.part.data = s.part.data[n:]
	if n > 0 {
		return n, nil
	}
	return 0, s.part.err
}
