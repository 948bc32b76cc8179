package capture

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// TestInspectionBeforeTheEnd: a connection whose ports are used again within the same batch tells what it said first.
func TestInspectionBeforeTheEnd(t *testing.T) {
	var frames [][]byte
	for round := range uint32(3) {
		seq := 1000 + round*100_000
		for _, p := range []struct {
			flags   byte
			seq     uint32
			payload string
		}{{0x02, seq, ""}, {0x18, seq + 1, "GET / HTTP/1.1\r\nHost: backup.example\r\n\r\n"}, {0x04, seq + 42, ""}} {
			tcp := tcpWith(p.payload) // checksums are left to hardware
			binary.BigEndian.PutUint32(tcp[4:], p.seq)
			tcp[13] = p.flags
			frames = append(frames, over(t, around4(flow.TCP, tcp)))
		}
	}
	name := writeFile(t, t.TempDir(), "reused.pcap", pcapFile(1, frames...))
	var told []string
	if _, err := Run(context.Background(), Config{Inputs: []string{name}, Emit: func(c *flow.Conn) {
		for _, f := range c.Facts {
			if f.Kind == flow.FactProtocol {
				told = append(told, f.Value)
			}
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"http", "http", "http"}; !slices.Equal(told, want) {
		t.Errorf("protocols %q, want %q", told, want)
	}
}
