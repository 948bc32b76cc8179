package capture

import (
	"io"
	"slices"
)

const (
	aheadWindows = mostLent + 3
	maxAhead     = 4              // inputs that are read ahead at a time
	aheadLeast   = 4 * windowSize // bytes of a file for which its windows pay
	aheadRoom    = 64 << 10       // before what is read of each: for the beginning of a record that the window before it ends with
)

// ahead reads a file in a goroutine of its own: while the packets of one window are looked at, the next ones come.
type ahead struct {
	full, free chan chunk
}

// chunk is windowSize bytes of a file behind aheadRoom others, or what came of reading them.
type chunk struct {
	buf []byte
	n   int
	err error
}

func newAhead(src io.Reader) *ahead {
	a := &ahead{make(chan chunk, aheadWindows), make(chan chunk, aheadWindows)}
	for range aheadWindows {
		a.free <- chunk{buf: make([]byte, aheadRoom+windowSize)}
	}
	go func() {
		defer close(a.full)
		for c := range a.free {
			c.n, c.err = src.Read(c.buf[aheadRoom:])
			a.full <- c
			if c.err != nil {
				return
			}
		}
	}()
	return a
}

// stop returns when nothing is read any more.
func (a *ahead) stop() {
	close(a.free)
	for range a.full {
	}
}

// moreAhead is more where the bytes have been read ahead.
func (w *window) moreAhead(want int) bool {
	for w.end-w.pos < want {
		if w.err != nil {
			return false
		}
		if w.chunk != nil {
			w.lend(w.chunk)
			w.chunk = nil
		}
		for free := w.returned(mostLent); free != nil; free = w.returned(mostLent) {
			w.ahead.free <- chunk{buf: free}
		}
		c := <-w.ahead.full
		rest := w.end - w.pos
		w.base += int64(w.pos)
		w.err = c.err
		if rest <= aheadRoom {
			from := aheadRoom - rest
			copy(c.buf[from:], w.buf[w.pos:w.end])
			w.chunk, w.large, w.buf, w.pos, w.end = c.buf, nil, c.buf[from:], 0, rest+c.n
			continue
		}
		if w.large == nil || w.pos > 0 {
			w.large = slices.Clone(w.buf[w.pos:w.end]) // elsewhere: packets may point into the other
		}
		w.large = append(slices.Grow(w.large, c.n), c.buf[aheadRoom:][:c.n]...)
		if c.err == nil {
			w.ahead.free <- c
		}
		w.buf, w.pos, w.end = w.large, 0, len(w.large)
	}
	return true
}
