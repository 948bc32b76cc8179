package capture

import (
	"bytes"
	"encoding/binary"
	"math"
	mathbig "math/big"
	"reflect"
	"strings"
	"testing"
)

func TestPcapngSectionsAndBlocks(t *testing.T) {
	for _, orders := range [][2]binary.AppendByteOrder{{binary.LittleEndian, binary.BigEndian}, {binary.BigEndian, binary.LittleEndian}} {
		w := &ngBytes{order: orders[0]}
		w.section(ngOption{sectionApplication, []byte("dumpcap\x1b[31m \xff")}, ngOption{sectionOS, []byte("Linux")}, ngOption{sectionHardware, []byte("x86")}, ngOption{optionComment, []byte("c")})
		w.iface(1, 96, ngOption{interfaceName, []byte("eth0\x00")}, ngOption{interfaceDescription, []byte("first")}, ngOption{interfaceFilter, []byte("\x00tcp port 1")}, ngOption{interfaceOS, []byte("os")}, ngOption{interfaceFCS, []byte{4}})
		w.simple(testPacket{data: make([]byte, 96), wire: 1500})
		w.block(4, make([]byte, 8)) // name resolution
		w.block(0x0bad, make([]byte, 8))
		w.iface(276, 0, ngOption{interfaceResolution, []byte{9}}, ngOption{interfaceFilter, []byte{1, 2, 3}})
		w.enhanced(testPacket{ticks: 1_700_000_000_000_000_001, data: []byte("abc"), iface: 1}, ngOption{packetDropCount, w.u64(7)}, ngOption{optionComment, []byte("x")}, ngOption{optionComment, nil})
		w.old(testPacket{ticks: 2_000_000, data: []byte("old"), iface: 0}, 5)
		w.old(testPacket{ticks: 2_000_001, data: []byte("old"), iface: 0}, 0xffff)
		w.statistics(0, ngOption{statisticsReceived, w.u64(1)})
		w.statistics(0, ngOption{statisticsReceived, w.u64(100)}, ngOption{statisticsDropped, w.u64(3)}, ngOption{statisticsDroppedByOS, w.u64(2)}, ngOption{statisticsFilterAccepted, w.u64(98)}, ngOption{statisticsDelivered, w.u64(97)})
		w.statistics(9)
		w.order = orders[1]
		w.section(ngOption{sectionApplication, []byte("other")}).iface(101, 0, ngOption{interfaceResolution, []byte{0}})
		w.enhanced(testPacket{ticks: 3, data: []byte("second")})
		read, in := readBytes(t, w.Bytes())
		if in.State != InputClean || len(read) != 5 {
			t.Fatalf("%d packets, %+v", len(read), in)
		}
		type got struct {
			data  string
			time  int64
			wire  uint32
			iface uint16
			bad   bool
		}
		want := []got{{string(make([]byte, 96)), 0, 1500, 0, true}, {"abc", 1_700_000_000_000_000_001, 3, 1, false}, {"old", 2e9, 3, 0, false}, {"old", 2_000_001_000, 3, 0, false}, {"second", 3e9, 6, 2, false}}
		for i, r := range read {
			if g := (got{r.data, r.time, r.wire, r.iface, r.badTime}); g != want[i] {
				t.Errorf("packet %d: %+v, want %+v", i, g, want[i])
			}
		}
		if in.Application != "dumpcap\ufffd[31m \ufffd" || in.OS != "Linux" || in.Hardware != "x86" || in.Sections != 2 {
			t.Errorf("%+v", in)
		}
		if in.DroppedNoted != 12 || in.Comments != 3 || in.SkippedBlocks != 3 || in.BadTimes != 1 || in.BadOptions != 0 {
			t.Errorf("%+v", in)
		}
		n := func(v uint64) *uint64 { return &v }
		ifaces := []Interface{
			{Name: "eth0", Description: "first", Filter: "tcp port 1", OS: "os", LinkType: 1, FCS: 4, Snaplen: 96, Resolution: "1e-6 s", Packets: 3,
				Received: n(100), Dropped: n(3), DroppedByOS: n(2), FilterAccepted: n(98), Delivered: n(97)},
			{Filter: "(compiled filter program)", LinkType: 276, FCS: -1, Resolution: "1e-9 s", Packets: 1},
			{LinkType: 101, FCS: -1, Resolution: "1 s", Packets: 1},
		}
		if !reflect.DeepEqual(in.Interfaces, ifaces) {
			t.Errorf("got  %+v\nwant %+v", in.Interfaces, ifaces)
		}
	}
}

func TestPcapngBadOptionsLoseNoPacket(t *testing.T) {
	w := &ngBytes{order: binary.BigEndian}
	w.section().iface(1, 0, ngOption{interfaceResolution, []byte{1, 2}}, ngOption{interfaceOffset, []byte{1}}, ngOption{interfaceFilter, nil})
	w.enhanced(testPacket{ticks: 5e6, data: []byte("abcd")}, ngOption{packetDropCount, []byte{1, 2, 3, 4}})
	body := append(w.u32s(0, 0, 6e6, 4, 4), "efgh"...)
	w.block(blockEnhanced, append(body, 0, 1, 0xff, 0xff)) // a comment of 65535 bytes that are not there
	w.block(blockEnhanced, append(body, 0, 1, 0, 2, 'h', 'i', 0, 0))
	read, in := readBytes(t, w.Bytes())
	if len(read) != 3 || in.State != InputClean || in.BadOptions != 5 || in.Comments != 1 || read[0].time != 5e9 {
		t.Errorf("%d packets, %+v", len(read), in)
	}
}

func TestPcapngLimitOfInterfaces(t *testing.T) {
	w := &ngBytes{order: binary.LittleEndian}
	for range maxInterfaces / 2 {
		w.section().iface(1, 0).iface(1, 0).enhanced(testPacket{iface: 1})
	}
	if read, in := readBytes(t, w.Bytes()); len(read) != maxInterfaces/2 || in.State != InputClean {
		t.Errorf("%d packets, %v %s", len(read), in.State, in.Detail)
	}
	w.section().iface(1, 0).enhanced(testPacket{})
	if read, in := readBytes(t, w.Bytes()); len(read) != maxInterfaces/2 || in.State != InputLimit || in.Unread == 0 {
		t.Errorf("%d packets, %v %s", len(read), in.State, in.Detail)
	}
}

func TestPcapngLargeBlockIsSkipped(t *testing.T) {
	w := &ngBytes{order: binary.LittleEndian}
	w.section().iface(1, 0).enhanced(testPacket{data: []byte("a")})
	w.block(99, make([]byte, maxBlock-blockOverhead))
	w.enhanced(testPacket{data: []byte("b")})
	for _, hash := range []bool{false, true} {
		read, in := readInputs(t, dribbles(w.Bytes(), 1<<20-1), inputOptions{hash: hash}, "-")
		if dataOf(read) != "a b" || in.list[0].SkippedBlocks != 1 {
			t.Errorf("%q %+v", dataOf(read), in.list[0])
		}
	}
}

// exactTime is the naive model of tickClock: rational numbers.
func exactTime(stamp uint64, resolution uint8, offset int64) (int64, bool) {
	exponent := int(resolution & 0x7f)
	unit := new(mathbig.Int)
	if resolution&0x80 != 0 {
		if exponent > 63 {
			return 0, false
		}
		unit.Lsh(mathbig.NewInt(1), uint(exponent))
	} else {
		if exponent > 19 {
			return 0, false
		}
		unit.Exp(mathbig.NewInt(10), mathbig.NewInt(int64(exponent)), nil)
	}
	ns := new(mathbig.Int).Mul(new(mathbig.Int).SetUint64(stamp), mathbig.NewInt(1e9))
	ns.Div(ns, unit)
	ns.Add(ns, new(mathbig.Int).Mul(mathbig.NewInt(offset), mathbig.NewInt(1e9)))
	return ns.Int64(), ns.CmpAbs(mathbig.NewInt(maxTime)) < 0
}

func TestTickClockAgainstRationals(t *testing.T) {
	stamps := []uint64{0, 1, 999, 1e6, 1_700_000_000_123_456, 1_700_000_000_123_456_789, 1<<63 - 1, 1 << 63, math.MaxUint64, 0xf000_0000_8000_0001, 4_611_686_017, 4_611_686_018, 4_611_686_019, 9_223_372_037, 1_700_000_000 << 20, 1_700_000_000 << 32}
	offsets := []int64{0, 1, -1, 3600, -1_700_000_000, 9_223_372_036, math.MaxInt64, math.MinInt64, -1 << 62}
	edge := int64(maxTime) - 2e9 // the last two seconds on either side may be refused
	for resolution := range 256 {
		for _, offset := range offsets {
			c, _ := newTickClock(uint8(resolution), offset)
			for _, stamp := range stamps {
				got, ok := c.ns(stamp)
				want, wantOK := exactTime(stamp, uint8(resolution), offset)
				if wantOK && !ok && (want > edge || want < -edge) {
					continue
				}
				if ok != wantOK || ok && got != want {
					t.Errorf("resolution %#x offset %d stamp %d: %d %v, want %d %v", resolution, offset, stamp, got, ok, want, wantOK)
				}
			}
		}
	}
}

func TestPcapngUnsupportedResolution(t *testing.T) {
	for _, resolution := range []byte{20, 127, 0x80 | 64, 0xff} {
		w := &ngBytes{order: binary.LittleEndian}
		w.section().iface(1, 0, ngOption{interfaceResolution, []byte{resolution}}).enhanced(testPacket{ticks: 1, data: []byte("x")})
		read, in := readBytes(t, w.Bytes())
		if len(read) != 1 || !read[0].badTime || in.BadTimes != 1 || len(in.Warnings) != 1 {
			t.Errorf("%d: %+v", resolution, in)
		}
	}
}

func TestDropNotesDoNotWrap(t *testing.T) {
	w := &ngBytes{order: binary.LittleEndian}
	w.section().iface(1, 0)
	for range 2 {
		w.enhanced(testPacket{data: []byte("x")}, ngOption{packetDropCount, w.u64(math.MaxUint64 - 5)})
	}
	if _, in := readBytes(t, w.Bytes()); in.DroppedNoted != math.MaxUint64 {
		t.Errorf("%d packets noted as dropped", in.DroppedNoted)
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":                    "plain text",
		"tab\there\nline":               "tab\ufffdhere\ufffdline",
		"\u202eevil":                    "\ufffdevil",
		"ends\x00here":                  "ends",
		strings.Repeat("é", 300):        strings.Repeat("é", maxText) + "…",
		strings.Repeat("\xff", maxText): strings.Repeat("\ufffd", maxText),
	} {
		if got := cleanText([]byte(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// dribbles reads data at most step bytes at a time.
func dribbles(data []byte, step int) *stepReader { return &stepReader{bytes.NewReader(data), step} }

type stepReader struct {
	*bytes.Reader
	step int
}

func (r *stepReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), r.step)]) }
