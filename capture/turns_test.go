package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

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
	one := told(1)
	for _, workers := range []int{2, 3} {
		if got := told(workers); !slices.Equal(one, got) || len(one) < 9000 {
			t.Errorf("%d workers: %d events, one: %d", workers, len(got), len(one))
		}
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
	sameEvents(t, name, 3*turnNames+turnNames/2+1)
}

// TestTurnsPutNamesInPlace holds that a name stands between the packets that it stands between in the file, wherever windows end.
func TestTurnsPutNamesInPlace(t *testing.T) {
	w := &ngBytes{order: little}
	w.section().iface(1, 0)
	for i := range 3000 {
		data := slices.Concat(unhex(t, macs+"08 00"+udp4), make([]byte, 500))
		data[28], data[29] = byte(i>>8), byte(i) // source address
		w.enhanced(testPacket{ticks: 1.7e15 + uint64(i)*1e6, data: data})
		if i%37 == 0 {
			w.block(blockNames, nameRecord(i, "host"))
		}
	}
	sameEvents(t, writeFile(t, t.TempDir(), "names", w.Bytes()), 3081)
}

func sameEvents(t *testing.T, name string, least int) {
	t.Helper()
	one := events(t, name, 1)
	for _, workers := range []int{2, 3} {
		if got := events(t, name, workers); !slices.Equal(one, got) || len(one) < least {
			t.Errorf("%d workers: %d events, one: %d", workers, len(got), len(one))
		}
	}
}

// TestTurnsHandshakeLate takes data that comes before the handshake of its connection through batches that are cut in different places: what
// inspection is told of the connection is what was known when the data came.
func TestTurnsHandshakeLate(t *testing.T) {
	tcp := func(flags string, payload string) []byte {
		b := unhex(t, macs+"08 00 45 00 00 28 00 01 00 00 40 06 00 00"+v4ends+"c0 01 00 15 00 00 00 07 00 00 00 09 50 "+flags+" ff ff 00 00 00 00")
		b = append(b, payload...)
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		return b
	}
	syn := tcp("02", "")
	binary.BigEndian.PutUint32(syn[38:], 6)
	file := pcapFile(1000, tcp("18", "USER late\r\n"), syn)
	told := [2][]string{}
	for cut := range told {
		c := Config{Emit: func(c *flow.Conn) { told[cut] = append(told[cut], fmt.Sprintf("%+v", *c)) }}
		c.Learn.Announcement = func(a *flow.Announcement) { told[cut] = append(told[cut], fmt.Sprintf("%+v", *a)) }
		c.Inputs, c.Stdin = []string{"-"}, io.Reader(bytes.NewReader(file))
		if cut == 1 {
			c.Stdin = iotest.OneByteReader(c.Stdin) // each packet is a batch
		}
		if _, err := Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(told[0], told[1]) || len(told[0]) == 0 {
		t.Errorf("in one batch %q\nin two %q", told[0], told[1])
	}
}

// TestTurnsWithoutInput holds that nothing is left behind where inputs cannot be opened.
func TestTurnsWithoutInput(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		if _, err := Run(context.Background(), Config{Inputs: []string{t.TempDir() + "/none"}, Workers: 3}); err == nil {
			t.Fatal("no error")
		}
	}
	if n := runtime.NumGoroutine(); n > before+5 {
		t.Errorf("%d goroutines, %d before", n, before)
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
	res, err := Run(ctx, Config{Inputs: []string{name}, Workers: 3, Progress: func(int64, int64) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if n := res.Ledger.Read.Packets; !res.Interrupted || n == 0 || n == uint64(len(packets)) || n != res.Connections.Packets {
		t.Errorf("interrupted %v after %d of %d packets, %d in connections", res.Interrupted, n, len(packets), res.Connections.Packets)
	}
}
