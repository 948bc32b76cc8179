package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// packetComments takes the comments of packet blocks out of a little-endian pcapng file.
func packetComments(t testing.TB, data []byte) (all [][]string) {
	t.Helper()
	for len(data) > 0 {
		kind, length := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		body := data[8 : length-4]
		data = data[length:]
		if kind != blockEnhanced {
			continue
		}
		var of []string
		for list := body[20+padded(binary.LittleEndian.Uint32(body[12:])):]; len(list) >= 4; {
			code, size := binary.LittleEndian.Uint16(list), int(binary.LittleEndian.Uint16(list[2:]))
			if code == optionComment {
				of = append(of, string(list[4:4+size]))
			}
			list = list[4+padded(uint32(size)):]
		}
		all = append(all, of)
	}
	return all
}

// The golden file was read with tshark, capinfos and Wireshark's own checks when it was made.
func TestNgWriterGolden(t *testing.T) {
	var out bytes.Buffer
	w := ngWriter{to: &out}
	w.begin("extracted packets")
	eth := writtenInterface{name: "eth0", description: "between the switches", link: linkEthernet, fcs: -1, snaplen: 96}
	old := writtenInterface{link: linkRaw, fcs: 4, early: true}
	frame := unhex(t, macs+"08 00"+udp4)
	w.packet(w.iface(eth), false, 1700000000_123456789, 1500, frame, []string{"finding 3f2a: unexpected", "packet 1 of a.pcap"})
	w.packet(w.iface(old), true, -1, uint32(len(frame)-14), frame[14:], nil)
	w.packet(w.iface(eth), false, 0, 42, frame[:42], []string{"één"})
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/written.pcapng"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("other bytes than %s (-update writes them)", golden)
	}
	read, in := readBytes(t, want)
	if len(read) != 3 || in.Application != "pcapaudit" || len(in.Interfaces) != 2 || in.Comments != 4 {
		t.Fatalf("%d packets, %+v", len(read), in)
	}
	if i := in.Interfaces[0]; i.Name != "eth0" || i.Description != "between the switches" || i.LinkType != linkEthernet || i.FCS != -1 || i.Snaplen != 96 || i.Resolution != "1e-9 s" {
		t.Errorf("%+v", i)
	}
	if i := in.Interfaces[1]; i.Name != "" || i.LinkType != linkRaw || i.FCS != 4 {
		t.Errorf("%+v", i)
	}
	for i, want := range []struct {
		time int64
		wire uint32
		n    int
	}{{1700000000_123456789, 1500, 46}, {-1, 32, 32}, {0, 42, 42}} {
		if r := read[i]; r.time != want.time || r.wire != want.wire || len(r.data) != want.n || r.badTime {
			t.Errorf("packet %d: %+v, want %+v", i, r, want)
		}
	}
}

func TestNgWriterBounds(t *testing.T) {
	var out bytes.Buffer
	w := ngWriter{to: &out}
	w.begin("")
	var many []string
	for i := range 2 * maxComments {
		many = append(many, fmt.Sprint(i))
	}
	w.packet(w.iface(writtenInterface{link: linkRaw, fcs: -1}), false, 1, 1, nil, many)
	w.packet(0, false, 1, 1, nil, []string{strings.Repeat("é", maxOption)})
	for i := range 2 * maxInterfaces {
		w.iface(writtenInterface{name: fmt.Sprint(i), link: linkRaw, fcs: -1})
	}
	w.flush()
	comments := packetComments(t, out.Bytes())
	if len(comments[0]) != maxComments || comments[0][maxComments-1] != fmt.Sprintf("and %d more", maxComments+1) {
		t.Errorf("%q", comments[0])
	}
	if got := comments[1][0]; len(got) != maxOption-1 || strings.Trim(got, "é") != "" {
		t.Errorf("a long comment has %d bytes", len(got))
	}
	read, in := readBytes(t, out.Bytes())
	if len(read) != 2 || in.State != InputClean || len(in.Interfaces) > maxInterfaces || in.BadOptions != 0 {
		t.Errorf("%d packets, %d interfaces, %v %s", len(read), len(in.Interfaces), in.State, in.Detail)
	}
}

// fullDisk takes some bytes.
type fullDisk struct{ left int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var _ io.Writer = (*fullDisk)(nil)

// FuzzNgWriter writes what it is told and reads it back: packets, times, lengths and interfaces are the same.
func FuzzNgWriter(f *testing.F) {
	f.Add(int64(1700000000_000000001), uint32(60), []byte("frame"), "comment", "eth0", uint16(1), uint32(0))
	f.Add(int64(-maxTime/1_000_000_000*1_000_000_000), uint32(0), []byte(nil), "", "", uint16(101), uint32(65535))
	f.Add(int64(maxTime-1), uint32(1<<32-1), []byte("abc"), strings.Repeat("x", 70000), "\x00\xff", uint16(65535), uint32(1))
	f.Fuzz(func(t *testing.T, time int64, wire uint32, data []byte, comment, name string, link uint16, snaplen uint32) {
		if time < -maxTime/1_000_000_000*1_000_000_000 || time >= maxTime || len(data) > maxCaptured {
			return
		}
		var out bytes.Buffer
		w := ngWriter{to: &out}
		w.begin(comment)
		i := writtenInterface{name: name, description: comment, link: link, fcs: int(wire % 6), snaplen: snaplen, early: time < 0}
		w.packet(w.iface(i), i.early, time, wire, data, []string{comment})
		w.packet(w.iface(i), i.early, time, wire, data, nil)
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		checkBlocks(t, out.Bytes())
		read, in := readBytes(t, out.Bytes())
		if len(read) != 2 || in.State != InputClean || in.BadOptions != 0 || len(in.Interfaces) != 1 {
			t.Fatalf("%d packets, %+v", len(read), in)
		}
		for _, r := range read {
			if r.data != string(data) || r.wire != wire || r.time != time || r.badTime {
				t.Fatalf("%+v", r)
			}
		}
		if got := in.Interfaces[0]; got.LinkType != link || got.Snaplen != snaplen || got.FCS != i.fcs || len(name) <= maxOption && got.Name != cleanText([]byte(name)) {
			t.Fatalf("%+v", got)
		}
		if c := packetComments(t, out.Bytes()); len(comment) <= maxOption && comment != "" && !slices.Equal(c[0], []string{comment}) {
			t.Fatalf("%q", c)
		}
	})
}
