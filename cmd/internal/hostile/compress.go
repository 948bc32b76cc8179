package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec compresses, and knows a short piece that expands to nothing but zeros.
type codec struct {
	name   string
	pack   func([]byte) []byte
	zeros  func(mib int) []byte // stored data that expand to so many MiB of zeros
	joined bool                 // members or frames behind each other are one stream
}

var codecs = []codec{
	{"gz", gzipped, repeated(gzipped), true},
	{"zst", zstandard, repeated(zstandard), true},
	{"lz4", lz4Framed, repeated(lz4Framed), true},
	{"xz", xzStored, func(mib int) []byte { return bytes.Repeat(xzZeros, mib) }, true},
}

// must ends the program: writers to memory do not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func squeezed(w io.WriteCloser, out *bytes.Buffer, b []byte) []byte {
	must(w.Write(b))
	must(0, w.Close())
	return out.Bytes()
}

func gzipped(b []byte) []byte {
	out := new(bytes.Buffer)
	return squeezed(must(gzip.NewWriterLevel(out, gzip.BestCompression)), out, b)
}

func zstandard(b []byte) []byte {
	out := new(bytes.Buffer)
	return squeezed(must(zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))), out, b)
}

func lz4Framed(b []byte) []byte {
	out := new(bytes.Buffer)
	w := lz4.NewWriter(out)
	must(0, w.Apply(lz4.ConcurrencyOption(1), lz4.ChecksumOption(true)))
	return squeezed(w, out, b)
}

// stretched is head and so many MiB of zeros in one piece, which is never in memory as a whole.
func stretched(w io.WriteCloser, out *bytes.Buffer, head []byte, mib int) []byte {
	must(w.Write(head))
	zeros := make([]byte, 1<<20)
	for range mib - 1 {
		must(w.Write(zeros))
	}
	return squeezed(w, out, zeros)
}

func gzippedZeros(head []byte, mib int) []byte {
	out := new(bytes.Buffer)
	return stretched(must(gzip.NewWriterLevel(out, gzip.BestCompression)), out, head, mib)
}

func zstandardZeros(head []byte, mib int) []byte {
	out := new(bytes.Buffer)
	return stretched(must(zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))), out, head, mib)
}

// repeated packs pieces of 1 MiB of zeros, one member each.
func repeated(pack func([]byte) []byte) func(int) []byte {
	return func(mib int) []byte { return bytes.Repeat(pack(make([]byte, 1<<20)), mib) }
}

// xzStored writes an xz stream of uncompressed LZMA2 chunks (The .xz File Format 1.2.1): no library here writes xz.
func xzStored(b []byte) []byte {
	var chunks []byte
	for rest, control := b, byte(1); len(rest) > 0; control = 2 {
		n := min(len(rest), 1<<16)
		chunks = append(binary.BigEndian.AppendUint16(append(chunks, control), uint16(n-1)), rest[:n]...)
		rest = rest[n:]
	}
	chunks = append(chunks, 0)
	header := checked(raw("02 00 21 01 10 00 00 00")) // one filter, LZMA2, dictionary of 1 MiB
	unpadded := len(header) + len(chunks) + 4
	block := append(padded(append(header, chunks...)), checksum(b)...)
	index := checked(padded(varint(varint([]byte{0, 1}, unpadded), len(b))))
	flags := raw("00 01") // CRC32
	out := append(append([]byte("\xfd7zXZ\x00"), flags...), checksum(flags)...)
	out = append(append(out, block...), index...)
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	return append(append(append(out, checksum(footer)...), footer...), "YZ"...)
}

func checksum(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }

func checked(b []byte) []byte { return append(b, checksum(b)...) }

func varint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// xzZeros is 1 MiB of zeros as the xz program packs them.
var xzZeros = raw(strings.Join([]string{
	"fd377a585a0000016922de36020021011c00000010cf58ccefffff00d95d00006ffdffffa3b7ff473e481572396151b89228e6a38607f9eee41e82d32fc53a3c",
	"014bb17ec98a8a4d2fa30dd97fa6e38c231153e05918c5758ae277f8b6947f0c6ac0de744964e2e95c53b204d8f7440cab5f0d6d46e9e5c37688b79657acb64d",
	"e1691d6ffb4b88106c42cb883f5c008fd04eaf262894711f3d8f24e1709ea7235fec28cb85d195988a7e2a91f22775f719c006984d98fdd8afd5900fc42553f8",
	"f591363105a5b0ee6fc1704d470cd19111aaad601dbaceb127185c5986e9665258bee976ac59e4e55b0508f9c7daadfcfb522af7e4952500000000001cea38a7",
	"0001f101808040006fd5eedc3e300d8b020000000001595a"}, ""))
