package capture

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"pcapaudit/capture/flow"
)

// inputOptions are how inputs are read.
type inputOptions struct {
	hash     bool             // SHA-256 of every input
	expanded int64            // bytes that a compressed input may expand to; 0: maxExpanded
	stop     <-chan struct{}  // ends the reading of streams; nil: nothing does
	turns    *turns           // what is read is handed over to others; nil: all is done with it when more is asked for
	learn    func(*flow.Name) // takes the names of name-resolution blocks; nil: nobody does
}

// source is one input that is being read.
type source struct {
	in     *Input
	index  uint16
	stream io.Reader // standard input; else nil
	path   string
	stat   os.FileInfo // of a regular file as it was when the inputs were listed; nil: a stream
	first  int64       // first usable packet time; math.MaxInt64 where none is near the start
	last   int64       // last usable packet time
	file   *os.File
	stored *stored
	expand *expander // nil: not compressed
	window window
	ng     bool
	pcap   pcapReader
	pcapng ngReader
	learn  func(*flow.Name)
	ended  bool         // the Input is settled
	closed bool         // listed, to be opened again
	turn   int64        // merging: time of the packet handed out last
	pend   *recordBatch // merging: packets read, from next on not handed out; nil while closed
	next   int
}

// errNotCapture marks contents that are no packet capture, so that a directory's other files can be passed over.
var errNotCapture = errors.New("not a pcap or pcapng file")

// open starts reading: up to the file's header, which has to be that of a capture. size is that of the first window.
func (s *source) open(o inputOptions, size int) (err error) {
	*s.in = Input{Name: s.in.Name}
	s.window, s.expand, s.file = window{}, nil, nil
	s.ended, s.closed, s.last, s.turn, s.pend, s.next = false, false, 0, math.MinInt64, nil, 0
	s.stored = &stored{src: s.stream, left: math.MaxInt64}
	defer func() {
		if err != nil {
			s.release(false)
		}
	}()
	if s.stream == nil {
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		s.file, s.stored.src = f, f
	}
	if s.stat == nil && o.stop != nil {
		s.stored.src = newStoppable(s.stored.src, o.stop)
	}
	if s.stat != nil {
		if now, err := s.file.Stat(); err != nil {
			return err
		} else if !os.SameFile(s.stat, now) {
			return errors.New("another file has taken its place since the inputs were listed")
		}
		s.in.Size = s.stat.Size()
		s.stored.left = s.in.Size
	}
	if err := s.stored.peek(); err != nil {
		return err
	}
	s.unpack(o, size)
	return s.header()
}

// unpack puts the window over the stored bytes, with a decompressor in between where they begin like compressed data.
func (s *source) unpack(o inputOptions, size int) {
	s.learn = o.learn
	if s.in.Compression = compressionOf(s.stored.head); s.in.Compression == "" && s.stat != nil {
		size = int(min(int64(size), s.in.Size+1))
	}
	s.window = window{src: s.stored, turns: o.turns}
	switch {
	case s.in.Compression != "":
		s.stored.whole = true
		if o.hash {
			s.stored.sum = sha256.New()
		}
		limit := o.expanded
		if limit == 0 {
			limit = maxExpanded
		}
		s.expand = newExpander(s.in.Compression, s.stored, limit)
		s.window.src = s.expand
	case o.hash:
		s.window.digest = newDigest()
	}
	s.window.buf = make([]byte, size)
}

// header reads what the capture file begins with.
func (s *source) header() error {
	w := &s.window
	if !w.more(4) {
		return s.headerCut("header", pcapHeader)
	}
	magic := w.buf[:4]
	switch {
	case isPcap(magic):
		if !w.more(pcapHeader) {
			return s.headerCut("pcap header", pcapHeader)
		}
		s.ng = false
		if err := s.pcap.open(w.buf, s.in); err != nil {
			return err
		}
		w.pos = pcapHeader
	case string(magic) == "\n\r\r\n":
		if !w.more(blockOverhead) {
			return s.headerCut("pcapng section header", sectionAtLeast)
		}
		if _, bad := sectionOrder(w.buf); bad {
			return fmt.Errorf("%w: it begins like pcapng, but has no byte-order magic at byte 8", errNotCapture)
		}
		s.ng, s.in.Format = true, "pcapng"
		s.pcapng = ngReader{in: s.in, file: s.index, learn: s.learn}
	default:
		return s.foreign(magic)
	}
	return nil
}

func (s *source) headerCut(what string, want int) error {
	w := &s.window
	switch {
	case w.err != io.EOF && s.expand != nil:
		return fmt.Errorf("%w: its %s", errNotCapture, expandFault(s.in.Compression, w.err, s.expand.taken).what)
	case w.err != io.EOF:
		return w.err
	case w.end == 0:
		return fmt.Errorf("%w: it is empty", errNotCapture)
	}
	return fmt.Errorf("%w: its %s ends at byte %d of at least %d", errNotCapture, what, w.end, want)
}

// foreignFormats are worth a hint; by their first four bytes.
var foreignFormats = map[string]string{
	"snoo":       "a snoop capture; convert it: editcap -F pcapng IN OUT",
	"GMBU":       "a Network Monitor capture; convert it: editcap -F pcapng IN OUT",
	"BZh9":       "bzip2 data; decompress it first",
	"PK\x03\x04": "a zip archive; unpack it first",
}

func (s *source) foreign(magic []byte) error {
	if s.expand != nil && compressionOf(s.window.buf[:s.window.end]) != "" {
		return fmt.Errorf("%w: it is compressed twice; decompress it once", errNotCapture)
	}
	if hint, ok := foreignFormats[string(magic)]; ok {
		return fmt.Errorf("%w: it is %s", errNotCapture, hint)
	}
	return fmt.Errorf("%w: it begins with % x", errNotCapture, magic)
}

// fill reads the next packets; b.n is 0 only when the input has ended.
func (s *source) fill(b *recordBatch) {
	b.n = 0
	for !s.ended {
		var need int
		var stop *fault
		if s.ng {
			need, stop = s.pcapng.parse(&s.window, b)
		} else {
			need, stop = s.pcap.parse(&s.window, b)
		}
		if b.n > 0 {
			s.last = s.in.note(b, s.index, s.last)
			return
		}
		if stop != nil {
			stop.what = fmt.Sprintf("byte %d%s: %s", s.window.offset(), s.expandedNote(), stop.what)
			s.end(stop)
		} else if !s.window.more(need) {
			s.end(s.endOfStream(need))
		}
	}
}

func (s *source) expandedNote() string {
	if s.expand == nil {
		return ""
	}
	return " of the expanded data"
}

// endOfStream judges the end: need bytes were wanted and are not there.
func (s *source) endOfStream(need int) *fault {
	w := &s.window
	what, left := "packet record", w.end-w.pos
	if s.ng {
		what = "block"
	}
	inside := ""
	if left > 0 {
		inside = fmt.Sprintf("; the %s at byte %d%s has %d bytes of at least %d", what, w.offset(), s.expandedNote(), left, need)
	}
	switch {
	case errors.Is(w.err, errStopped):
		return &fault{InputUnfinished, errStopped.Error()}
	case w.err == errTrailing:
		s.in.warn(fmt.Sprintf("other bytes follow the %s data at byte %d; they were not read", s.in.Compression, s.expand.taken))
	case w.err != io.EOF && s.expand != nil:
		stop := expandFault(s.in.Compression, w.err, s.expand.taken)
		stop.what += inside
		return stop
	case w.err != io.EOF:
		return &fault{InputCut, fmt.Sprintf("cannot be read on from byte %d: %v", w.base+int64(w.end), w.err)}
	case s.stat != nil && s.stored.left > 0:
		return &fault{InputCut, fmt.Sprintf("became shorter while it was read: it had %d bytes and ends at byte %d%s", s.in.Size, s.stored.given, inside)}
	}
	if left > 0 {
		return &fault{InputCut, fmt.Sprintf("ends at byte %d%s%s", w.base+int64(w.end), s.expandedNote(), inside)}
	}
	return nil
}

// end closes the input and settles what is known about it; nil is a clean end.
func (s *source) end(stop *fault) {
	s.ended = true
	s.in.State = InputClean
	if stop != nil {
		s.in.State, s.in.Detail = stop.state, stop.what
	}
	s.settle(true)
}

// settle does the accounts of bytes. With finish a regular file is hashed to its end; a stream that still runs is not waited for.
func (s *source) settle(finish bool) {
	w, in := &s.window, s.in
	hashing := w.digest != nil || s.stored.sum != nil
	finish = finish && (s.stat != nil || w.err == io.EOF)
	in.Read = s.offset()
	if s.stat == nil {
		in.Size = in.Read
		if s.expand == nil {
			in.Size = w.base + int64(w.end)
		}
	}
	in.Unread = in.Size - in.Read
	in.SHA256 = s.release(finish)
	if hashing && in.SHA256 == "" {
		in.warn("no SHA-256: it was not read to its end")
	}
}

// offset is the place in the stored input up to which packets were read; compressed: what the decompressor had taken for them.
func (s *source) offset() int64 {
	if s.expand != nil {
		return s.expand.taken
	}
	return s.window.offset()
}

// release lets go of the file, the goroutines and the memory; with finish after hashing what is left. It gives the hash, if all was hashed.
func (s *source) release(finish bool) (sum string) {
	w := &s.window
	if s.expand != nil {
		s.expand.stop(finish)
	}
	if finish {
		if w.digest != nil {
			w.drain()
		}
		sum = s.stored.drain()
		if now, err := s.file.Stat(); s.stat != nil && err == nil && now.Size() > s.stat.Size() {
			s.in.warn(fmt.Sprintf("grew while it was read; the first %d bytes were read", s.stat.Size()))
		}
	}
	if w.digest != nil {
		if d := w.digest.sum(); finish {
			sum = d
		}
	}
	if s.file != nil {
		s.file.Close()
	}
	if sum != "" && s.stat != nil && s.stored.given != s.stat.Size() {
		sum = "" // it became shorter
	}
	s.window = window{base: w.offset(), err: io.ErrClosedPipe}
	s.ended = true
	return sum
}
