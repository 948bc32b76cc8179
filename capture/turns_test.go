package capture

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// TestTurnsOfSeveralInputs reads files whose times overlap, with windows that are used again while packets of others are tracked, and standard input.
func TestTurnsOfSeveralInputs(t *testing.T) {
	dir := t.TempDir()
	frame := func(n int) []byte {
		b := slices.Concat(unhex(t, macs+"08 00 45 00 00 28 00 01 00 00 40 06 00 00"+v4ends+tcpSYN), make([]byte, 900))
		b[28], b[29] = byte(n>>8), byte(n) // source address
		return b
	}
	for f := range 3 {
		var packets []testPacket
		for i := range 3000 {
			packets = append(packets, testPacket{ticks: 1.7e15 + uint64(3*i+f)*1000, data: frame(3*i + f)})
		}
		writeFile(t, dir, fmt.Sprint("file", f), pcapBytes(little, pcapMagicMicro, 1, packets...))
	}
	told := func(workers int) (list []string) {
		c := Config{Inputs: []string{dir, "-"}, Stdin: bytes.NewReader(pcapFile(1000, frame(1), frame(2))), Workers: workers,
			Emit: func(c *flow.Conn) { list = append(list, fmt.Sprintf("%+v", *c)) }}
		res, err := Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return append(list, fmt.Sprintf("%+v", res.Ledger))
	}
	if one, two := told(1), told(2); !slices.Equal(one, two) || len(one) < 9000 {
		t.Errorf("%d and %d events", len(one), len(two))
	}
}

// TestTurnsKeepNames holds that names in a capture come before the packets behind them, also where they are more than are handed over at once.
func TestTurnsKeepNames(t *testing.T) {
	w := &ngBytes{order: little}
	w.section().iface(1, 0)
	for i := range 3 * turnNames {
		w.block(blockNames, nameRecord(i, "host"))
	}
	w.enhanced(testPacket{ticks: 1.7e15, data: unhex(t, macs+"08 00"+udp4)})
	for i := range turnNames / 2 {
		w.block(blockNames, nameRecord(i, "later"))
	}
	name := writeFile(t, t.TempDir(), "names", w.Bytes())
	one, two := events(t, name, 1), events(t, name, 2)
	if !slices.Equal(one, two) || len(one) < 3*turnNames+turnNames/2+1 {
		t.Errorf("%d and %d events", len(one), len(two))
	}
}

// nameRecord is the body of a name-resolution block with one name of an IPv4 address, and the end of its records.
func nameRecord(i int, name string) []byte {
	name = fmt.Sprintf("%s-%d.example\x00", name, i)
	b := little.AppendUint16([]byte{1, 0}, uint16(4+len(name)))
	b = append(b, 192, 0, byte(i>>8), byte(i))
	b = append(b, name...)
	b = append(b, make([]byte, -len(b)&3)...)
	return append(b, 0, 0, 0, 0)
}

// TestTurnsInterrupted holds that what was read is tracked when a run is stopped.
func TestTurnsInterrupted(t *testing.T) {
	packets := slices.Repeat([]testPacket{{ticks: 1.7e15, data: unhex(t, macs+"08 00"+udp4)}}, 200_000)
	name := writeFile(t, t.TempDir(), "input", pcapBytes(little, pcapMagicMicro, 1, packets...))
	ctx, cancel := context.WithCancel(context.Background())
	res, err := Run(ctx, Config{Inputs: []string{name}, Workers: 2, Progress: func(int64, int64) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Ledger.Read.Packets; !res.Interrupted || n == 0 || n == uint64(len(packets)) || n != res.Connections.Packets {
		t.Errorf("interrupted %v after %d of %d packets, %d in connections", res.Interrupted, n, len(packets), res.Connections.Packets)
	}
}
