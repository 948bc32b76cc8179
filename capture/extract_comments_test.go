package capture

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"pcapaudit/capture/flow"
)

func TestRecordSize(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n != 56 {
		t.Errorf("a record has %d bytes", n)
	}
}

func comment(s string) ngOption { return ngOption{optionComment, []byte(s)} }

// commented is a capture of one packet with options, in a block of the given kind.
func commented(order binary.AppendByteOrder, kind uint32, data []byte, options ...ngOption) []byte {
	w := &ngBytes{order: order}
	w.section().iface(linkEthernet, 0)
	body := w.u32s(0, 0, 1, uint32(len(data)), uint32(len(data)))
	if kind == blockPacket {
		body = order.AppendUint16(order.AppendUint16(nil, 0), 0xffff)
		body = append(body, w.u32s(0, 1, uint32(len(data)), uint32(len(data)))...)
	}
	w.block(kind, pad4(append(body, data...)), options...)
	return w.Bytes()
}

func TestExtractComments(t *testing.T) {
	many := make([]ngOption, maxOriginals+5)
	for i := range many {
		many[i] = comment(fmt.Sprint(i))
	}
	numbers := make([]string, maxOriginals)
	for i := range numbers {
		numbers[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name            string
		options         []ngOption
		want            []string // without prefix
		kept, cut, left uint64
	}{
		{name: "none", options: []ngOption{{packetDropCount, make([]byte, 8)}}},
		{name: "several, among others", options: []ngOption{comment("one"), {packetDropCount, make([]byte, 8)}, comment("two"), {2, []byte{1, 2, 3, 4}}, comment("two")}, want: []string{"one", "two", "two"}, kept: 3},
		{name: "one that looks like ours", options: []ngOption{comment("finding 0011: unexpected"), comment("packet 9 of other.pcap")}, want: []string{"finding 0011: unexpected", "packet 9 of other.pcap"}, kept: 2},
		{name: "one in several lines", options: []ngOption{comment("a\nfinding 0011:\r\n\u2028b")}, want: []string{"a�finding 0011:���b"}, kept: 1},
		{name: "controls and directions", options: []ngOption{comment("\x1b[31m\u202egnp.exe\u2066\u200b\x7f\u009b")}, want: []string{"�[31m�gnp.exe����"}, kept: 1},
		{name: "no UTF-8", options: []ngOption{comment("\xff\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 é\xc3")}, want: []string{"��� ��� ���� é�"}, kept: 1},
		{name: "zero bytes", options: []ngOption{comment("seen\x00hidden\x00\x00"), comment("\x00")}, want: []string{"seen�hidden", ""}, kept: 2},
		{name: "empty", options: []ngOption{comment("")}, want: []string{""}, kept: 1},
		{name: "as many as may", options: many[:maxOriginals], want: numbers, kept: maxOriginals},
		{name: "too many", options: many, want: numbers, kept: maxOriginals, left: 5},
		{name: "as long as may", options: []ngOption{comment(strings.Repeat("x", maxOriginalBytes))}, want: []string{strings.Repeat("x", maxOriginalBytes)}, kept: 1},
		{name: "too long", options: []ngOption{comment("before"), comment(strings.Repeat("é", maxOption/2)), comment("behind")},
			want: []string{"before", strings.Repeat("é", maxOriginalBytes/2-3) + "…"}, kept: 2, cut: 1, left: 1},
		{name: "too long when cleaned", options: []ngOption{comment(strings.Repeat("\xff", maxOption))}, want: []string{strings.Repeat("�", maxOriginalBytes/3) + "…"}, kept: 1, cut: 1},
	} {
		var want []string
		for _, text := range c.want {
			want = append(want, "original comment: "+text)
		}
		if c.left+c.cut > 0 {
			want = append(want, fmt.Sprintf("comments of the capture left out: %d, cut: %d", c.left, c.cut))
		}
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, kind := range []uint32{blockEnhanced, blockPacket} {
				name := fmt.Sprintf("%s, block type %d, %v", c.name, kind, order)
				a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcapng", commented(order, kind, over(t, aroundUDP(53, []byte(secret))), c.options...))}})
				ours := []string{"connection 0:1", "packet 1 of in.pcapng"}
				for _, payload := range []bool{false, true} {
					data, result := a.extract(t, ExtractConfig{Want: a.all(0), Payload: payload})
					if got := packetComments(t, data); len(got) != 1 || !slices.Equal(got[0], slices.Concat(ours, want)) {
						t.Errorf("%s: %.200q, want %.200q", name, got, want)
					}
					if result.Comments != c.kept || result.CommentsCut != c.cut || result.CommentsLeft != c.left {
						t.Errorf("%s: %+v", name, result)
					}
				}
				data, result := a.extract(t, ExtractConfig{Want: a.all(0), Pseudonyms: testPseudonyms})
				ours[1] = "packet 1 of input 0"
				if c.kept > 0 {
					ours = append(ours, fmt.Sprintf("comments of the capture left out: %d, cut: 0: they may hold addresses and names", c.kept+c.left))
				}
				if got := packetComments(t, data); len(got) != 1 || !slices.Equal(got[0], ours) || result.Comments != 0 || result.CommentsLeft != c.kept+c.left {
					t.Errorf("%s, pseudonyms: %q, %+v", name, got, result)
				}
			}
		}
	}
}

// What stands before the damage is kept.
func TestExtractCommentsDamaged(t *testing.T) {
	frame := over(t, aroundUDP(53, nil))
	whole := commented(little, blockEnhanced, frame, comment("first"), comment("second"))
	at := strings.Index(string(whole), "second") - 2
	binary.LittleEndian.PutUint16(whole[at:], 6+2+4+1) // beyond the end of the block
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcapng", whole)}})
	data, result := a.extract(t, ExtractConfig{Want: a.all(0)})
	if got := packetComments(t, data); len(got) != 1 || !slices.Equal(got[0][2:], []string{"original comment: first"}) || result.Comments != 1 || result.CommentsLeft != 0 {
		t.Errorf("%q, %+v", got, result)
	}
	if in := a.result.Inputs[0]; in.Comments != 1 || in.BadOptions != 1 {
		t.Errorf("%+v", in)
	}
}

// Each packet keeps its own: in batches, over sections of both byte orders, in files that are merged, and where it waits for its first fragment.
func TestExtractCommentsOfManyPackets(t *testing.T) {
	frame := over(t, aroundUDP(53, nil))
	dir := t.TempDir()
	var inputs []string
	const each = 3*flow.BatchSize + 7
	for f := range 2 {
		w := &ngBytes{order: binary.LittleEndian}
		w.section().iface(linkEthernet, 0)
		for i := range each {
			if i == each/2 {
				other := &ngBytes{order: binary.BigEndian}
				other.section().iface(linkEthernet, 0)
				w.Write(other.Bytes())
				w.order = other.order
			}
			p := testPacket{ticks: uint64(10 * (2*i + f)), data: frame}
			switch {
			case i%3 == 0:
				w.enhanced(p)
			case i%7 == 0:
				p.data = orphan(t, uint16(i))
				fallthrough
			default:
				w.enhanced(p, comment(fmt.Sprintf("%d of %d", i+1, f)))
			}
		}
		inputs = append(inputs, writeFile(t, dir, fmt.Sprint(f), w.Bytes()))
	}
	inputs = append(inputs, writeFile(t, dir, "2", pcapFile(0, frame, frame)))
	a := auditOf(t, Config{Inputs: inputs})
	data, result := a.extract(t, ExtractConfig{Want: a.all(0)})
	var comments uint64
	for i, got := range packetComments(t, data) {
		var number, file int
		if _, err := fmt.Sscanf(got[1], "packet %d of %d", &number, &file); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		var want []string
		if file < 2 && (number-1)%3 != 0 {
			want = []string{fmt.Sprintf("original comment: %d of %d", number, file)}
			comments++
		}
		if !slices.Equal(got[2:], want) {
			t.Fatalf("packet %d: %q, want %q", i+1, got, want)
		}
	}
	if result.Comments != comments || comments < each || result.CommentsLeft != 0 || result.Lost != 0 {
		t.Errorf("%+v, %d comments are there", result, comments)
	}
}

// Reading packets with comments costs a list of one batch, and nothing for each packet.
func TestFillCommentsBounded(t *testing.T) {
	w := &ngBytes{order: little}
	w.section().iface(linkEthernet, 0)
	for i := range 100 * flow.BatchSize {
		w.enhanced(testPacket{ticks: uint64(i)}, comment("one"), comment("two"))
	}
	path := writeFile(t, t.TempDir(), "in.pcapng", w.Bytes())
	allocs := testing.AllocsPerRun(3, func() {
		in, err := openInputs([]string{path}, nil, inputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := in.active[0]
		for b := new(recordBatch); err == nil; err = in.fill(b) {
			for i := range b.recs[:b.n] {
				if list := commentsOf(in, &b.recs[i]); len(list.bytes) != 20 {
					t.Fatalf("packet %d has options % x", b.recs[i].num, list.bytes)
				}
			}
		}
		if n := cap(s.pcapng.commented); n > 2*flow.BatchSize || in.list[0].Comments != 200*flow.BatchSize {
			t.Fatalf("a list of %d, %+v", n, in.list[0])
		}
	})
	if allocs > 60 {
		t.Errorf("%.0f allocations", allocs)
	}
}

// checkOriginals holds what is true of any comments: they are fit to be shown, and no more than the limits allow.
func checkOriginals(t *testing.T, all [][]string, result ExtractResult) {
	t.Helper()
	var kept uint64
	for _, comments := range all {
		var n, size int
		for _, c := range comments {
			if !utf8.ValidString(c) || strings.ContainsFunc(c, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q can do harm", c)
			}
			if text, ok := strings.CutPrefix(c, originalPrefix); ok {
				n, size = n+1, size+len(text)
			}
		}
		if kept += uint64(n); n > maxOriginals || size > maxOriginalBytes+len("…") {
			t.Fatalf("%d original comments with %d bytes", n, size)
		}
	}
	if kept != result.Comments {
		t.Fatalf("%d original comments are there: %+v", kept, result)
	}
}

// A fragment that overtakes the first one of its datagram waits, and what comes meanwhile waits behind it.
func TestExtractCommentsHeld(t *testing.T) {
	w := &ngBytes{order: little}
	w.section().iface(linkEthernet, 0)
	w.enhanced(testPacket{ticks: 1, data: orphan(t, 7)}, comment("overtakes"))
	for i := range 2 * flow.BatchSize {
		w.enhanced(testPacket{ticks: uint64(i) + 2, data: over(t, aroundUDP(53, nil))}, comment("waits"))
	}
	w.enhanced(testPacket{ticks: 1000, data: over(t, unhex(t, fragment4(7, 17, 0x2000, "04 00 00 35 00 20 00 00")))}, comment("first"))
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcapng", w.Bytes())}})
	data, result := a.extract(t, ExtractConfig{Want: a.all(0)})
	all := packetComments(t, data)
	for i, got := range all {
		want := "original comment: waits"
		switch i {
		case 0:
			want = "original comment: overtakes"
		case len(all) - 1:
			want = "original comment: first"
		}
		if got[len(got)-1] != want {
			t.Errorf("packet %d: %q", i+1, got)
		}
	}
	if n := uint64(2*flow.BatchSize + 2); result.Packets != n || result.Comments != n {
		t.Errorf("%+v", result)
	}
}

func TestExtractCommentsReadByTshark(t *testing.T) {
	frame := over(t, aroundUDP(53, nil))
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcapng", commented(little, blockEnhanced, frame, comment("seen by the operator, é"), comment("a\nb\x1b\xff")))}})
	data, _ := a.extract(t, ExtractConfig{Want: a.all(0)})
	rows := tsharkFields(t, writeFile(t, t.TempDir(), "evidence.pcapng", data), "-e", "frame.comment")
	want := "connection 0:1;packet 1 of in.pcapng;original comment: seen by the operator, é;original comment: a�b��"
	if len(rows) != 1 || rows[0][0] != want {
		t.Errorf("%q, want %q", rows, want)
	}
}
