package capture

import (
	"testing"

	"pcapaudit/capture/flow"
)

func TestRareLinks(t *testing.T) {
	const fddi = "50 00 00 00 00 00 01 00 00 00 00 00 02 " + "aa aa 03 00 00 00 08 00 "
	pflog := "3d 02 01 00 " + zeros(57) + "00 00 00 " // length 61, IPv4
	for _, c := range []struct {
		name     string
		linkType uint16
		hex      string
		want     Reason
	}{
		{"FDDI with SNAP", 10, fddi + udp4, reasonDecoded},
		{"pflog", 117, pflog + udp4, reasonDecoded},
		{"pflog of 60 bytes, on which gopacket panics", 117, "3d 02 01 00 " + zeros(56), malformedLink},
		{"FDDI of one byte", 10, "50", malformedLink},
	} {
		data := unhex(t, c.hex)
		table := flow.NewTable(flow.Options{})
		d := newDecoder(table, new(Ledger))
		var out flow.Batch
		rec := record{data: data, wire: uint32(len(data)), num: 1}
		r := d.packet(&rec, c.linkType, len(data), &out)
		if r != c.want {
			t.Errorf("%s: %s, want %s", c.name, r, c.want)
		}
		if p := &out.Packets[0]; r == reasonDecoded && (p.Proto != flow.UDP || p.PayloadOff > uint32(len(data))) {
			t.Errorf("%s: %+v", c.name, p)
		}
		table.Close()
	}
}

func zeros(n int) string {
	b := make([]byte, 0, 3*n)
	for range n {
		b = append(b, "00 "...)
	}
	return string(b)
}
