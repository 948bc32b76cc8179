package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

const (
	maxZstdWindow = 128 << 20 // the zstd program's own limit
	maxXzDict     = 64 << 20  // what xz -9 writes
	maxExpanded   = 1 << 42   // bytes of one input after decompression
	maxExpansion  = 1000      // times the stored size; gzip cannot do more than 1032
	freeExpansion = 64 << 20  // bytes to which maxExpansion does not apply
)

// compressionOf recognises a compressed file by its first bytes (at least 6); empty: none that is read.
func compressionOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}): // skippable frame
		return "zstd"
	case bytes.HasPrefix(head, []byte{0x04, 0x22, 0x4d, 0x18}):
		return "lz4"
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return "xz"
	}
	return ""
}

// errTrailing ends a compressed stream that is whole and has other bytes behind it.
var errTrailing = errors.New("bytes behind the compressed data")

// decompressor opens a reader over src. It takes no byte beyond what it needs, as far as the format lets it.
func decompressor(compression string, src *bufio.Reader) (io.Reader, error) {
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		return &gzipMembers{z, src}, nil
	case "zstd":
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case "lz4":
		return lz4.NewReader(src), nil
	}
	return xz.NewReader(src, maxXzDict)
}

// gzipMembers reads one member after the other, so that what follows the last one is known for what it is.
type gzipMembers struct {
	z   *gzip.Reader
	src *bufio.Reader
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if err != io.EOF {
		return n, err
	}
	switch next, _ := g.src.Peek(2); {
	case len(next) == 0:
		return n, io.EOF
	case !bytes.Equal(next, []byte{0x1f, 0x8b}):
		return n, errTrailing
	}
	if err := g.z.Reset(g.src); err != nil {
		return n, err
	}
	g.z.Multistream(false)
	return n, nil
}

// expandFault says what an error of a decompressor means; taken is the place in the stored file.
func expandFault(compression string, err error, taken int64) *fault {
	f := &fault{InputMalformed, fmt.Sprintf("%s data are damaged near byte %d of the file: %v", compression, taken, err)}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, xz.ErrBuf):
		*f = fault{InputCut, fmt.Sprintf("%s data end early at byte %d of the file", compression, taken)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, xz.ErrMemlimit):
		*f = fault{InputLimit, fmt.Sprintf("%s data near byte %d of the file need more memory than is allowed: %v", compression, taken, err)}
	case errors.Is(err, errExpansion):
		*f = fault{InputLimit, fmt.Sprintf("%s data up to byte %d of the file: %v", compression, taken, err)}
	}
	return f
}

// expandedSize is the bytes that are decompressed at once.
const expandedSize = 1 << 20

var errExpansion = errors.New("expand beyond the limit; decompress the file yourself if it is to be trusted")

// expander decompresses in a goroutine of its own, expandedSize bytes ahead and at most three blocks. As an io.Reader it gives the expanded bytes;
// its errors other than io.EOF go to expandFault.
type expander struct {
	taken  int64 // stored bytes that the decompressor had taken when it had made what was read so far
	blocks chan expanded
	free   chan []byte
	quit   chan struct{}
	rest   []byte // of whole, not read yet
	whole  []byte
	err    error
}

type expanded struct {
	data  []byte
	taken int64
	err   error
}

func newExpander(compression string, src *stored, limit int64) *expander {
	e := &expander{blocks: make(chan expanded), free: make(chan []byte, 3), quit: make(chan struct{})}
	for range cap(e.free) {
		e.free <- nil
	}
	go e.run(compression, src, limit)
	return e
}

func (e *expander) run(compression string, src *stored, limit int64) {
	defer close(e.blocks)
	in := bufio.NewReaderSize(src, probeSize)
	taken := func() int64 { return src.given - int64(in.Buffered()) }
	var z io.Reader
	var total int64
	for size := probeSize; ; size = expandedSize { // small at first: a probe wants no more
		var buf []byte
		select {
		case buf = <-e.free:
		case <-e.quit:
			return
		}
		if len(buf) < size {
			buf = make([]byte, size)
		}
		n, err := expand(compression, in, &z, buf)
		total += int64(n)
		if total > limit || total > freeExpansion && total/maxExpansion > taken() {
			err = errExpansion
		}
		select {
		case e.blocks <- expanded{buf[:n], taken(), err}:
		case <-e.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

// expand fills buf. A panic of a decompressor is an error like any other: what it reads is hostile.
func expand(compression string, in *bufio.Reader, z *io.Reader, buf []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decompressor failed: %v", p)
		}
	}()
	if *z == nil {
		if *z, err = decompressor(compression, in); err != nil {
			*z = nil
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	for n < len(buf) && err == nil {
		var m int
		m, err = (*z).Read(buf[n:])
		n += m
	}
	return n, err
}

func (e *expander) Read(p []byte) (int, error) {
	for len(e.rest) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		if e.whole != nil {
			e.free <- e.whole
		}
		b, ok := <-e.blocks
		if !ok {
			return 0, io.ErrClosedPipe
		}
		e.rest, e.whole, e.taken, e.err = b.data, b.data[:cap(b.data)], b.taken, b.err
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// stop ends the goroutine. With wait it has let go of its source when stop returns.
func (e *expander) stop(wait bool) {
	close(e.quit)
	for wait {
		if _, ok := <-e.blocks; !ok {
			return
		}
	}
}
