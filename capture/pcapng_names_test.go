package capture

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

func TestPcapngNames(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		record := func(kind uint16, value string) []byte {
			b := order.AppendUint16(order.AppendUint16(nil, kind), uint16(len(value)))
			return append(b, pad4([]byte(value))...)
		}
		body := slices.Concat(record(1, "\xc0\x00\x02\x07AMS.backup.example\x00other.example\x00no name\x1b\x00"),
			record(9, "what"), record(2, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07six.example\x00"), record(0, ""), record(1, "\xc0\x00\x02\x08late.example\x00"))
		w := &ngBytes{order: order}
		w.section().iface(1, 0)
		w.block(4, body)
		w.block(4, body[:6]) // damaged
		var got []string
		_, err := Run(context.Background(), Config{Inputs: []string{writeFile(t, t.TempDir(), "names.pcapng", w.Bytes())},
			Learn: inspect.Learn{Name: func(n *flow.Name) { got = append(got, n.Addr.String()+" "+n.Name+" "+n.Origin.String()) }}})
		want := []string{"192.0.2.7 ams.backup.example capture", "192.0.2.7 other.example capture", "2001:db8::7 six.example capture"}
		slices.Sort(got)
		if got = slices.Compact(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("names %q, %v; want %q", got, err, want)
		}
	}
}
