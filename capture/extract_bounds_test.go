package capture

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// orphan is an Ethernet frame of a fragment, 16 bytes behind the beginning of its datagram.
func orphan(t testing.TB, id uint16) []byte {
	return over(t, unhex(t, fragment4(id, 17, 0x0002, hex.EncodeToString([]byte("waiting.")))))
}

// However many fragments wait for nothing, a bounded number of packets is held for them, and none that is wanted is lost or put elsewhere.
func TestExtractHoldsBounded(t *testing.T) {
	wanted := over(t, aroundUDP(53, nil))
	var frames [][]byte
	const n = 3 * maxHeld
	for i := range n {
		frames = append(frames, orphan(t, uint16(i)), wanted)
	}
	path := writeFile(t, t.TempDir(), "in.pcap", closeTogether(pcapFile(0, frames...)))
	c := ExtractConfig{First: Config{Inputs: []string{path}}, Read: []Input{{Name: path, Packets: 2 * n}}, Want: []Wanted{{ID: flow.ConnID{Packet: 2}}}}
	var out bytes.Buffer
	c.Out = &out
	x, err := newExtraction(&c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(context.Background(), &c.First)
	if err != nil {
		t.Fatal(err)
	}
	r.extract = x
	x.start(r)
	most := 0
	for {
		err := r.in.fill(&r.records)
		r.track()
		most = max(most, len(x.held))
		if err != nil {
			break
		}
	}
	result, err := x.end(r)
	if _, runErr := r.finish(nil); err != nil || runErr != nil {
		t.Fatal(err, runErr)
	}
	if result.Packets != n || result.Lost != 0 || most > 2*maxHeld+flow.BatchSize || most < maxHeld || x.bytes != 0 {
		t.Errorf("%+v, %d held at most, %d bytes at the end", result, most, x.bytes)
	}
	read, _ := readBytes(t, out.Bytes())
	if !slices.IsSortedFunc(read, func(a, b packetRead) int { return int(a.time - b.time) }) {
		t.Error("packets are not in the order of reading")
	}
}

// What has to be given up is counted.
func TestExtractHoldsBytes(t *testing.T) {
	large := over(t, aroundUDP(53, make([]byte, 60000)))
	frames := slices.Repeat([][]byte{large}, maxHeldBytes/len(large)+flow.BatchSize)
	frames = slices.Concat([][]byte{orphan(t, 7)}, frames, [][]byte{over(t, unhex(t, fragment4(7, 17, 0x2000, "04 00 00 35 00 20 00 00")))})
	a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcap", closeTogether(pcapFile(0, frames...)))}})
	data, result := a.extract(t, ExtractConfig{Want: a.all(0), Payload: true})
	if result.Lost != 1 || int(result.Packets) != len(frames)-1 {
		t.Errorf("%+v of %d packets", result, len(frames))
	}
	read, _ := readBytes(t, data)
	if len(read) != len(frames)-1 || read[0].data != string(large) {
		t.Errorf("%d packets are there", len(read))
	}
}

// Packets that nobody wants cost no allocation.
func TestExtractAllocatesNothingPerPacket(t *testing.T) {
	allocations := func(packets int) float64 {
		frames := slices.Repeat([][]byte{over(t, aroundUDP(53, nil))}, packets)
		a := auditOf(t, Config{Inputs: []string{writeFile(t, t.TempDir(), "in.pcap", closeTogether(pcapFile(0, frames...)))}})
		c := ExtractConfig{First: a.config, Read: a.result.Inputs, Want: []Wanted{{ID: flow.ConnID{Packet: 2}}}, Out: io.Discard}
		return testing.AllocsPerRun(3, func() {
			if _, err := Extract(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(1000), allocations(100_000); many > few+100 {
		t.Errorf("%.0f allocations for 1000 packets, %.0f for 100000", few, many)
	}
}
