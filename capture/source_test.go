package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"weak"

	"pcapaudit/capture/flow"
)

var (
	little = binary.LittleEndian
	big    = binary.BigEndian
)

// packetRead is a record kept beyond its batch.
type packetRead struct {
	record
	data string
}

// readInputs reads everything and checks what must hold of any input.
func readInputs(t testing.TB, stdin io.Reader, o inputOptions, args ...string) ([]packetRead, *inputs) {
	t.Helper()
	in, err := openInputs(args, stdin, o)
	if err != nil {
		t.Fatal(err)
	}
	return drainInputs(t, in), in
}

func drainInputs(t testing.TB, in *inputs) (read []packetRead) {
	t.Helper()
	defer in.close()
	var b recordBatch
	next := make([]uint64, len(in.list))
	for {
		err := in.fill(&b)
		for _, r := range b.recs[:b.n] {
			read = append(read, packetRead{r, string(r.data)})
			if next[r.file]++; r.num != next[r.file] {
				t.Fatalf("file %d: packet number %d after %d", r.file, r.num, next[r.file]-1)
			}
			if r.badTime && r.time != 0 {
				t.Fatalf("packet without time has time %d", r.time)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.n == 0 {
			t.Fatal("empty batch without error")
		}
	}
	for i, one := range in.list {
		checkInput(t, one)
		if one.Packets != next[i] {
			t.Fatalf("%s: %d packets counted, %d handed over", one.Name, one.Packets, next[i])
		}
	}
	return read
}

func checkInput(t testing.TB, in *Input) {
	t.Helper()
	if in.Read < 0 || in.Unread < 0 || in.Read+in.Unread != in.Size {
		t.Errorf("%s: read %d + unread %d != size %d", in.Name, in.Read, in.Unread, in.Size)
	}
	var sum uint64
	for _, i := range in.Interfaces {
		sum += i.Packets
	}
	if sum != in.Packets {
		t.Errorf("%s: %d packets, its interfaces have %d", in.Name, in.Packets, sum)
	}
	if (in.Detail == "") != (in.State == InputClean) {
		t.Errorf("%s: state %v with detail %q", in.Name, in.State, in.Detail)
	}
	if in.State == InputClean && in.Unread != 0 && in.Warnings == nil {
		t.Errorf("%s: clean, %d bytes unread and no warning", in.Name, in.Unread)
	}
}

func writeFile(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// series is a pcap file with packets at the given seconds, their data being NAME@SECOND.
func series(name string, seconds ...uint64) []byte {
	var packets []testPacket
	for _, s := range seconds {
		packets = append(packets, testPacket{ticks: s * 1e6, data: fmt.Appendf(nil, "%s@%d", name, s)})
	}
	return pcapBytes(little, pcapMagicMicro, 1, packets...)
}

func dataOf(read []packetRead) string {
	var s []string
	for _, r := range read {
		s = append(s, r.data)
	}
	return strings.Join(s, " ")
}

func TestRotatedFilesInTimeOrder(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "w.pcap2", series("c", 30, 31))
	writeFile(t, dir, "w.pcap0", series("a", 10, 12))
	writeFile(t, dir, "w.pcap1", series("b", 20, 15))
	writeFile(t, dir, "empty.pcap", pcapBytes(little, pcapMagicMicro, 1))
	writeFile(t, dir, "notes.txt", []byte("some notes"))
	writeFile(t, dir, "nothing", nil)
	writeFile(t, dir, "old.log.gz", []byte("\x1f\x8b\x08"))
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{dir, filepath.Join(dir, "*")} {
		read, in := readInputs(t, nil, inputOptions{hash: true}, arg)
		if got, want := dataOf(read), "a@10 a@12 b@20 b@15 c@30 c@31"; got != want {
			t.Errorf("%s: got %s, want %s", arg, got, want)
		}
		if in.left != 3 || len(in.skipped) != 3 || !strings.Contains(in.skipped[0], "notes.txt: not a pcap") {
			t.Errorf("skipped %d: %q", in.left, in.skipped)
		}
		var names []string
		for _, one := range in.list {
			names = append(names, filepath.Base(one.Name))
			if len(one.SHA256) != 64 {
				t.Errorf("%s: hash %q", one.Name, one.SHA256)
			}
		}
		if want := []string{"w.pcap0", "w.pcap1", "w.pcap2", "empty.pcap"}; !reflect.DeepEqual(names, want) {
			t.Errorf("order %v, want %v", names, want)
		}
		if in.list[1].TimeBackwards != 1 {
			t.Errorf("time backwards %d", in.list[1].TimeBackwards)
		}
	}
}

func TestOverlappingFilesAreMerged(t *testing.T) {
	dir := t.TempDir()
	paths := []string{
		writeFile(t, dir, "z", series("z", 10, 20, 20, 40)),
		writeFile(t, dir, "a", series("a", 10, 20, 30, 50)),
		writeFile(t, dir, "m", series("m", 45, 60)),
	}
	read, _ := readInputs(t, nil, inputOptions{}, paths...)
	if got, want := dataOf(read), "z@10 a@10 z@20 z@20 a@20 a@30 z@40 m@45 a@50 m@60"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A merge of many packets is the stable sort of all of them, over many batches and any number of files.
func TestMergeIsAStableSort(t *testing.T) {
	dir := t.TempDir()
	var want []string
	var paths []string
	const files, each = 5, 3000
	for f := range files {
		var packets []testPacket
		for i := range each {
			packets = append(packets, testPacket{ticks: uint64(1000*(f/2) + i/(f+1)), data: fmt.Appendf(make([]byte, 0, 200), "%d/%d", f, i)})
		}
		paths = append(paths, writeFile(t, dir, fmt.Sprint(f), pcapBytes(little, pcapMagicMicro, 1, packets...)))
	}
	for tick := range 10000 {
		for f := range files {
			for i := range each {
				if 1000*(f/2)+i/(f+1) == tick {
					want = append(want, fmt.Sprintf("%d/%d", f, i))
				}
			}
		}
	}
	read, _ := readInputs(t, nil, inputOptions{hash: true}, paths...)
	if got := dataOf(read); got != strings.Join(want, " ") {
		t.Error("the merge is not the stable sort")
	}
}

func TestManyOverlappingInputs(t *testing.T) {
	dir := t.TempDir()
	for i := range maxOpenInputs + 1 {
		writeFile(t, dir, fmt.Sprintf("%03d", i), series("x", uint64(i), 1000))
	}
	in, err := openInputs([]string{dir}, nil, inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	var b recordBatch
	for err == nil {
		err = in.fill(&b)
	}
	if err == io.EOF || !strings.Contains(err.Error(), "merge them first") {
		t.Errorf("error %v", err)
	}
	in.close()
	for _, one := range in.list {
		checkInputUnfinished(t, one)
	}
}

func checkInputUnfinished(t *testing.T, in *Input) {
	t.Helper()
	if in.Read+in.Unread != in.Size {
		t.Errorf("%s: read %d + unread %d != size %d", in.Name, in.Read, in.Unread, in.Size)
	}
}

func TestArgumentsThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	good := writeFile(t, dir, "good.pcap", series("a", 1))
	link := filepath.Join(dir, "link.pcap")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	if err := os.Mkdir(none, 0o700); err != nil {
		t.Fatal(err)
	}
	bare := t.TempDir()
	writeFile(t, bare, "x.txt", []byte("x"))
	header := pcapBytes(little, pcapMagicMicro, 1)
	version := bytes.Clone(header)
	version[6] = 9
	for _, c := range []struct {
		args  []string
		stdin string
		want  string
		input bool // an *InputError
	}{
		{[]string{filepath.Join(dir, "gone.pcap")}, "", "no such file", true},
		{[]string{filepath.Join(dir, "gone*")}, "", "no files there", true},
		{[]string{none}, "", "no files there", true},
		{[]string{bare}, "", "none of the 1 files found is a capture; first: " + bare, true},
		{[]string{good, link}, "", "the same file as " + good, false},
		{[]string{good, dir}, "", "the same file as", false},
		{[]string{"-", "-"}, "", "given twice", false},
		{[]string{"-"}, "", "reading -: not a pcap or pcapng file: it is empty", true},
		{[]string{"-"}, "hello, world", "it begins with 68 65 6c 6c", true},
		{[]string{"-"}, string(header[:3]), "its header ends at byte 3", true},
		{[]string{"-"}, string(header[:23]), "its pcap header ends at byte 23 of at least 24", true},
		{[]string{"-"}, string(version), "pcap version 2.9 is not known", true},
		{[]string{"-"}, "\n\r\r\n\x1c\x00\x00\x00abcdefgh", "no byte-order magic", true},
		{[]string{"-"}, "\n\r\r\n\x1c\x00", "pcapng section header ends at byte 6", true},
		{[]string{"-"}, "snoop\x00\x00\x00", "convert it: editcap", true},
		{[]string{"-"}, "\x1f\x8b\x08\x00\x00", "gzip data end early", true},
	} {
		_, err := openInputs(c.args, strings.NewReader(c.stdin), inputOptions{hash: true})
		var input *InputError
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &input) != c.input {
			t.Errorf("%q: %v; want %q, InputError %v", c.args, err, c.want, c.input)
		}
	}
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Skip("no /dev/zero here: ", err)
	}
	defer zero.Close()
	if _, err := openInputs([]string{"-"}, zero, inputOptions{hash: true}); err == nil {
		t.Error("/dev/zero was taken for a capture")
	}
}

// A ring of files is turned on while it is listed and read: what was not named itself may be gone.
func TestFilesThatVanish(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a", series("a", 1))
	gone := writeFile(t, dir, "b", series("b", 2))
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	in, err := openInputs([]string{dir}, nil, inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if got := dataOf(drainInputs(t, in)); got != "a@1" {
		t.Errorf("read %s", got)
	}
	if len(in.skipped) != 1 || in.left != 1 || !strings.Contains(in.skipped[0], "no such file") {
		t.Errorf("skipped %q", in.skipped)
	}
	if one := in.list[1]; one.State != InputCut || one.Unread == 0 || !strings.Contains(one.Detail, "cannot be read any more") {
		t.Errorf("%+v", one)
	}
	if _, err := openInputs([]string{filepath.Join(dir, "c")}, nil, inputOptions{}); err == nil {
		t.Error("a file given by name and not there is no error")
	}
}

// What a probed stream gave is not lost where it turns out to be the only capture.
func TestStandardInputBesideOtherFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "notes.txt", []byte("no capture"))
	var seconds []uint64
	for i := range uint64(3 * flow.BatchSize) {
		seconds = append(seconds, i)
	}
	read, in := readInputs(t, bytes.NewReader(series("s", seconds...)), inputOptions{hash: true}, "-", dir)
	if len(read) != len(seconds) || in.left != 1 || len(in.list[0].SHA256) != 64 {
		t.Errorf("%d packets, %d files passed over, %+v", len(read), in.left, in.list[0])
	}
}

// The buffers of rotated files are let go one by one.
func TestReadInputsAreLetGo(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		writeFile(t, dir, fmt.Sprint(i), series("x", uint64(i)))
	}
	in, err := openInputs([]string{dir}, nil, inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first := weak.Make(in.waiting[0])
	drainInputs(t, in)
	runtime.GC()
	if first.Value() != nil {
		t.Error("the first of three inputs is still held")
	}
	runtime.KeepAlive(in)
}

func TestProgress(t *testing.T) {
	dir := t.TempDir()
	data := series("a", 1, 2, 3)
	broken := append(bytes.Clone(data), bytes.Repeat([]byte{0xff}, 1000)...)
	good, bad := writeFile(t, dir, "good", data), writeFile(t, dir, "bad", broken)
	in, err := openInputs([]string{good, bad}, nil, inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := int64(len(data) + len(broken))
	if done, total := in.progress(); done != 0 || total != want {
		t.Errorf("at the start %d of %d", done, total)
	}
	drainInputs(t, in)
	if done, total := in.progress(); done != want || total != want {
		t.Errorf("at the end %d of %d", done, total)
	}
	in, err = openInputs([]string{good, "-"}, bytes.NewReader(data), inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	if _, total := in.progress(); total != -1 {
		t.Errorf("total %d with a stream", total)
	}
}

func TestStandardInputAndNamedPipe(t *testing.T) {
	data := series("s", 1, 2, 3)
	dir := t.TempDir()
	file := writeFile(t, dir, "f", series("f", 2))
	read, in := readInputs(t, dribble{bytes.NewReader(data)}, inputOptions{hash: true}, file, "-")
	// Of equal times, the input that begins earlier comes first.
	if got, want := dataOf(read), "s@1 s@2 f@2 s@3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if in.list[0].Name != "-" || in.list[0].Size != int64(len(data)) || in.list[0].State != InputClean {
		t.Errorf("%+v", in.list[0])
	}
	pipe := filepath.Join(dir, "pipe")
	if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
		t.Skipf("no named pipe here: %v %s", err, out)
	}
	go func() {
		if w, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
			w.Write(data)
			w.Close()
		}
	}()
	read, in = readInputs(t, nil, inputOptions{hash: true}, pipe)
	if len(read) != 3 || in.list[0].Size != int64(len(data)) || len(in.list[0].SHA256) != 64 {
		t.Errorf("pipe: %d packets, %+v", len(read), in.list[0])
	}
}

// dribble gives a byte or a few at a time, as a slow pipe does.
type dribble struct{ r io.Reader }

func (r dribble) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 7)]) }

func TestFileThatShrinksOrGrows(t *testing.T) {
	var packets []testPacket
	for i := range 3000 {
		packets = append(packets, testPacket{ticks: uint64(i), data: make([]byte, 1000)})
	}
	data := pcapBytes(little, pcapMagicMicro, 1, packets...)
	for _, size := range []int64{2 << 20, 24 + 1016*2500} { // inside a record, between two
		path := writeFile(t, t.TempDir(), "shrinks.pcap", data)
		in, err := openInputs([]string{path}, nil, inputOptions{hash: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		drainInputs(t, in)
		one := in.list[0]
		if one.State != InputCut || one.Size != int64(len(data)) || one.SHA256 != "" || !strings.Contains(one.Detail, fmt.Sprintf("ends at byte %d", size)) {
			t.Errorf("%+v", one)
		}
	}
	path := writeFile(t, t.TempDir(), "grows.pcap", data)
	in, err := openInputs([]string{path}, nil, inputOptions{hash: true})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Dir(path), "grows.pcap", append(bytes.Clone(data), data[24:2000]...))
	drainInputs(t, in)
	if one := in.list[0]; one.State != InputClean || one.Packets != 3000 || len(one.Warnings) != 1 {
		t.Errorf("%+v", one)
	}
}

func TestReadingStoppedFromOutside(t *testing.T) {
	var seconds []uint64
	for i := range uint64(2 * flow.BatchSize) {
		seconds = append(seconds, i)
	}
	path := writeFile(t, t.TempDir(), "a", series("a", seconds...))
	in, err := openInputs([]string{path}, nil, inputOptions{hash: true})
	if err != nil {
		t.Fatal(err)
	}
	var b recordBatch
	if err := in.fill(&b); err != nil || b.n != flow.BatchSize {
		t.Fatal(err, b.n)
	}
	in.close()
	one := in.list[0]
	checkInputUnfinished(t, one)
	if one.State != InputUnfinished || one.SHA256 != "" || one.Read <= 24 || one.Unread == 0 {
		t.Errorf("%+v", one)
	}
}
