package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressed makes stored data of every kind; xz has no writer here and is made by the program.
func compressed(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"lz4": func(w io.Writer) io.WriteCloser {
			z := lz4.NewWriter(w)
			if err := z.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
				t.Fatal(err)
			}
			return z
		},
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		var b bytes.Buffer
		w := open(&b)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		out[name] = b.Bytes()
	}
	program := exec.Command("xz", "-c")
	program.Stdin = bytes.NewReader(data)
	if xz, err := program.Output(); err != nil {
		t.Logf("NOT TESTED: xz, its program is not here: %v", err)
	} else {
		out["xz"] = xz
	}
	return out
}

// mixedCapture is 1.5 MB of packets that compress to about the half.
func mixedCapture() ([]byte, int) {
	rnd := rand.New(rand.NewSource(3))
	var packets []testPacket
	for i := range 1500 {
		data := make([]byte, 1000)
		rnd.Read(data[:500])
		packets = append(packets, testPacket{ticks: uint64(i) * 1000, data: data})
	}
	return pcapBytes(little, pcapMagicMicro, 1, packets...), len(packets)
}

func TestCompressedInputs(t *testing.T) {
	plain, count := mixedCapture()
	want, _ := readBytes(t, plain)
	for name, data := range compressed(t, plain) {
		for _, members := range []int{1, 2} {
			if members == 2 { // a concatenation: the second one holds the rest
				half := compressed(t, plain[:100000])[name]
				data = append(half, compressed(t, plain[100000:])[name]...)
			}
			path := writeFile(t, t.TempDir(), "input", data)
			fromFile, one := readInputs(t, nil, inputOptions{hash: true}, path)
			fromPipe, in := readInputs(t, dribbles(data, 5000), inputOptions{hash: true}, "-")
			if len(fromFile) != count || dataOf(fromFile) != dataOf(want) || dataOf(fromPipe) != dataOf(want) {
				t.Errorf("%s: %d and %d packets of %d", name, len(fromFile), len(fromPipe), count)
			}
			for _, one := range []*Input{one.list[0], in.list[0]} {
				if one.Compression != name || one.State != InputClean || one.Size != int64(len(data)) || one.Unread != 0 || len(one.SHA256) != 64 || len(one.Warnings) != 0 {
					t.Errorf("%s: %+v", name, one)
				}
			}
			if one.list[0].SHA256 != in.list[0].SHA256 {
				t.Errorf("%s: hashes differ", name)
			}
		}
	}
}

func TestCompressedInputsCut(t *testing.T) {
	plain, count := mixedCapture()
	for name, data := range compressed(t, plain) {
		for _, cut := range []int{1, 4, 9, len(data) / 3, len(data) - 100000} {
			kept := data[:len(data)-cut]
			read, in := readInputs(t, nil, inputOptions{hash: true}, writeFile(t, t.TempDir(), "input", kept))
			one := in.list[0]
			if one.State != InputCut || !strings.Contains(one.Detail, name+" data end early at byte") || one.Size != int64(len(kept)) || len(one.SHA256) != 64 {
				t.Errorf("%s less %d: %+v", name, cut, one)
			}
			if least := count * (len(kept) - 300000) / len(data); len(read) < least {
				t.Errorf("%s less %d: %d packets kept, at least %d were there", name, cut, len(read), least)
			}
		}
		broken := bytes.Clone(data)
		broken[len(broken)/2] ^= 0xff
		broken[len(broken)/2+1] ^= 0xff
		_, in := readInputs(t, nil, inputOptions{}, writeFile(t, t.TempDir(), "input", broken))
		if one := in.list[0]; one.State == InputClean || one.State == InputUnfinished {
			t.Errorf("%s with damage: %+v", name, one)
		}
	}
}

// Damage inside the expanded capture: what is read of the stored bytes does not depend on scheduling.
func TestCompressedInputMalformedInside(t *testing.T) {
	plain, count := mixedCapture()
	at := 24 + 1016*750
	for i := range 16 {
		plain[at+i] = 0xff
	}
	for name, data := range compressed(t, plain) {
		path := writeFile(t, t.TempDir(), "input", data)
		var first *Input
		for range 5 {
			read, in := readInputs(t, nil, inputOptions{hash: true}, path)
			one := in.list[0]
			if len(read) != count/2 || one.State != InputMalformed || !strings.Contains(one.Detail, fmt.Sprintf("byte %d of the expanded data", at)) || len(one.SHA256) != 64 {
				t.Fatalf("%s: %d packets, %+v", name, len(read), one)
			}
			if first == nil {
				first = one
			}
			if one.Read != first.Read || one.Unread == 0 {
				t.Errorf("%s: read %d, before %d, unread %d", name, one.Read, first.Read, one.Unread)
			}
		}
	}
}

func TestTrailingBytesAfterGzip(t *testing.T) {
	plain, count := mixedCapture()
	data := compressed(t, plain)["gzip"]
	stored := append(bytes.Clone(data), "some trailing bytes"...)
	path := writeFile(t, t.TempDir(), "input", stored)
	read, in := readInputs(t, nil, inputOptions{hash: true}, path)
	one := in.list[0]
	if len(read) != count || one.State != InputClean || one.Read != int64(len(data)) || one.Unread != 19 || len(one.Warnings) != 1 || len(one.SHA256) != 64 {
		t.Errorf("%d packets, %+v", len(read), one)
	}
}

func TestCompressedLimits(t *testing.T) {
	bomb := pcapBytes(little, pcapMagicMicro, 1, testPacket{data: []byte("x")})
	bomb = append(bomb, make([]byte, 66<<20)...) // empty records
	for name, data := range compressed(t, bomb) {
		ratio := len(bomb) / len(data)
		in, err := openInputs([]string{writeFile(t, t.TempDir(), "input", data)}, nil, inputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for b := new(recordBatch); err == nil; {
			err = in.fill(b)
		}
		checkInput(t, in.list[0])
		if one := in.list[0]; (one.State == InputLimit) != (ratio > maxExpansion) {
			t.Errorf("%s of %d bytes, ratio %d: %v %s", name, len(data), ratio, one.State, one.Detail)
		}
	}
	plain, _ := mixedCapture()
	for name, data := range compressed(t, plain) {
		read, in := readInputs(t, nil, inputOptions{expanded: 1 << 20}, writeFile(t, t.TempDir(), "input", data))
		if one := in.list[0]; one.State != InputLimit || len(read) < 1000 || !strings.Contains(one.Detail, "expand beyond the limit") {
			t.Errorf("%s: %d packets, %+v", name, len(read), one)
		}
		_, err := openInputs([]string{writeFile(t, t.TempDir(), "twice", compressed(t, data)[name])}, nil, inputOptions{})
		if !errors.Is(err, errNotCapture) || !strings.Contains(err.Error(), "compressed twice") {
			t.Errorf("%s in %s: %v", name, name, err)
		}
	}
}

// A zstd frame that claims a window of 1 GiB is refused, one of 128 MiB costs no more than that.
func TestZstdWindowIsBounded(t *testing.T) {
	for exponent, want := range map[byte]string{20: "more memory than is allowed", 10: "not a pcap"} {
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, 0x21, 0x00, 0x00, 'a', 'b', 'c', 'd'}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := openInputs([]string{"-"}, bytes.NewReader(frame), inputOptions{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("2^%d: %v", 10+exponent, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("2^%d: %d bytes allocated", 10+exponent, grown)
		}
	}
}

func FuzzCompressed(f *testing.F) {
	plain := series("s", 1, 2, 3)
	for _, data := range compressed(f, plain) {
		f.Add(data)
	}
	f.Fuzz(fuzzInput)
}

func TestNoInputs(t *testing.T) {
	if in, err := openInputs(nil, nil, inputOptions{}); err == nil || in != nil {
		t.Errorf("%v", err)
	}
}
