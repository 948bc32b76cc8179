package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"slices"
)

const (
	windowSize = 256 << 10 // bytes read at once: stays in the second-level cache until it is parsed, beside what the packets need; with 1 MiB all takes 1.1 times as long
	probeSize  = 64 << 10  // the same while only a file's first packets are looked at
	mostLent   = 5         // windows that packets on the way may point into: of large packets few fit in one
)

// window is the part of a stream that is in memory: buf[pos:end] is not parsed yet. Bytes before pos stay as they are
// until the next call of more, with turns also until all works that were handed over by then have come back, so that records may point at them.
type window struct {
	src      io.Reader
	buf      []byte
	pos, end int
	base     int64   // offset in the stream of buf[0]
	err      error   // what ended the stream; io.EOF at its end
	digest   *digest // nil: no hash; else it still reads the bytes handed to it
	turns    *turns
	lent     []lent // with a digest or turns: buffers before buf, oldest first
}

// lent is a buffer that packets may point into, or a digest still reads.
type lent struct {
	buf    []byte
	passed uint64 // works that were handed over by then
}

func (w *window) lend(buf []byte) { w.lent = append(w.lent, lent{buf, w.turns.passed()}) }

// returned gives the oldest buffer that was lent if nobody needs it any more, and if more than most are lent once nobody does; else nil. The last one
// that was lent stays: a digest may not have come to it.
func (w *window) returned(most int) []byte {
	if len(w.lent) < 2 || len(w.lent) <= most && !w.turns.came(w.lent[0].passed) {
		return nil
	}
	oldest := w.lent[0]
	w.turns.wait(oldest.passed)
	w.lent = slices.Delete(w.lent, 0, 1)
	return oldest.buf
}

// offset is the place in the stream of the next byte to parse.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// more drops what was parsed and reads on, until at least want bytes (at most maxBlock) lie at pos. False: the stream ends before;
// whatever there is of it lies at pos. Memory grows with bytes that arrived, never with want alone.
func (w *window) more(want int) bool {
	for w.end-w.pos < want {
		if w.err != nil {
			return false
		}
		to := w.buf
		if size := len(w.buf); w.end-w.pos == size {
			to = make([]byte, min(2*size, maxBlock))
			w.lent = nil
		} else if w.digest != nil || w.turns != nil {
			w.lend(w.buf)
			most := 1
			if w.turns != nil && size <= windowSize { // larger ones are rare, and many are too many
				most = mostLent
			}
			if to = w.returned(most); len(to) != size {
				to = make([]byte, size)
			}
		}
		if w.digest != nil {
			w.digest.reserve()
		}
		rest := copy(to, w.buf[w.pos:w.end])
		w.base += int64(w.pos)
		w.buf, w.pos, w.end = to, 0, rest
		n, err := w.src.Read(to[rest:])
		w.end, w.err = rest+n, err
		if w.digest != nil {
			w.digest.add(to[rest:w.end])
		}
	}
	return true
}

// drain hands the rest of the stream to the digest and returns the number of its bytes.
func (w *window) drain() int64 {
	var n int64
	for w.err == nil {
		w.pos = w.end
		w.more(1)
		n += int64(w.end)
	}
	return n
}

// digest hashes a stream beside the goroutine that reads it. reserve before overwriting one of two alternating buffers,
// add when it is full: two buffers are in flight at most.
type digest struct {
	hash hash.Hash
	in   chan []byte
	free chan struct{}
	done chan struct{}
}

func newDigest() *digest {
	d := &digest{sha256.New(), make(chan []byte, 2), make(chan struct{}, 2), make(chan struct{})}
	go func() {
		for b := range d.in {
			d.hash.Write(b)
			<-d.free
		}
		close(d.done)
	}()
	return d
}

func (d *digest) reserve()     { d.free <- struct{}{} }
func (d *digest) add(b []byte) { d.in <- b }

// sum ends the digest and gives the hash in hexadecimal.
func (d *digest) sum() string {
	close(d.in)
	<-d.done
	return hex.EncodeToString(d.hash.Sum(nil))
}

// stored is an input's bytes as they lie in the file or come down the stream.
type stored struct {
	src   io.Reader
	head  []byte // read already, not given yet
	left  int64  // bytes of the file that may still be given: what is appended meanwhile is not read
	given int64
	whole bool      // Read fills its argument unless the end is near: what a decompressor takes shall not depend on how bytes arrive
	sum   hash.Hash // of what was given; nil: not asked, or the window's digest does it
}

func (s *stored) Read(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), s.left)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n = copy(p, s.head)
	s.head = s.head[n:]
	switch {
	case s.whole:
		var m int
		m, err = io.ReadFull(s.src, p[n:])
		n += m
		if err == io.ErrUnexpectedEOF || n > 0 {
			err = nil
		}
	case n == 0:
		n, err = s.src.Read(p)
	}
	s.left -= int64(n)
	s.given += int64(n)
	if s.sum != nil {
		s.sum.Write(p[:n])
	}
	return n, err
}

// peek reads what tells the format. It asks for less than a file header, and so waits for no packet of a live stream.
func (s *stored) peek() error {
	head := make([]byte, pcapHeader)
	n, err := io.ReadAtLeast(s.src, head, 6)
	s.head = head[:n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return err
}

// drain hashes what was not given yet and gives the hash; empty where sum is nil.
func (s *stored) drain() string {
	if s.sum == nil {
		return ""
	}
	buf := make([]byte, probeSize)
	for {
		if _, err := s.Read(buf); err != nil {
			return hex.EncodeToString(s.sum.Sum(nil))
		}
	}
}
