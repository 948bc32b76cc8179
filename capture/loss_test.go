package capture

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// recorded is a packet of a recorded capture.
type recorded struct {
	testPacket
	segment string // connection, direction and sequence number of TCP payload; "" without
}

// readRecorded reads one of testdata's captures, all of them of one Ethernet interface.
func readRecorded(t testing.TB, name string) []recorded {
	t.Helper()
	in, err := openInputs([]string{name}, nil, inputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	b := newBench()
	var packets []recorded
	for {
		err := in.fill(&b.in)
		for i := range b.in.recs[:b.in.n] {
			rec := &b.in.recs[i]
			if in.linkType(rec) != linkEthernet || rec.badTime {
				t.Fatalf("%s: packet %d is of link type %d", name, rec.num, in.linkType(rec))
			}
			packets = append(packets, recorded{testPacket: testPacket{ticks: uint64(rec.time), data: slices.Clone(rec.data), wire: rec.wire}})
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range packets {
		p := &packets[i]
		if b.decode(linkEthernet, record{data: p.data, wire: p.wire, time: int64(p.ticks)}) == reasonDecoded {
			if d := &b.out.Packets[0]; d.Proto == flow.TCP && b.out.Payload[0] > 0 {
				src, dst := ends(&b.out.Batch, 0)
				p.segment = src.String() + " " + dst.String() + " " + string(binary.BigEndian.AppendUint32(nil, d.Seq))
			}
		}
	}
	return packets
}

func writeRecorded(t *testing.T, name string, packets []recorded) string {
	t.Helper()
	plain := make([]testPacket, len(packets))
	for i, p := range packets {
		plain[i] = p.testPacket
	}
	if err := os.WriteFile(name, pcapBytes(binary.LittleEndian, pcapMagicNano, linkEthernet, plain...), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// runConns gives the connections of a run in the order of time and ends, without their ids.
func runConns(t *testing.T, inputs ...string) ([]flow.Conn, *Result) {
	t.Helper()
	var conns []flow.Conn
	res, err := Run(context.Background(), Config{Inputs: inputs, Emit: func(c *flow.Conn) { conns = append(conns, kept(c)) }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range conns {
		conns[i].ID = flow.ConnID{}
		for j := range conns[i].Facts {
			conns[i].Facts[j].File, conns[i].Facts[j].Packet = 0, 0
		}
	}
	return conns, res
}

func recordedCaptures(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("../testdata/captures/*.pcapng")
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures (%v)", err)
	}
	return names
}

func missedPackets(conns []flow.Conn) (missed uint64, followed int) {
	for _, c := range conns {
		missed += c.Missed.Packets
		if c.Missed.Followed {
			followed++
		}
	}
	return missed, followed
}

// TestLossOfRecordedCaptures takes data out of real traffic. Whole captures miss nothing.
func TestLossOfRecordedCaptures(t *testing.T) {
	for _, every := range []int{50, 10} {
		var removed, estimate uint64
		for _, name := range recordedCaptures(t) {
			packets := readRecorded(t, name)
			whole, _ := runConns(t, name)
			if missed, followed := missedPackets(whole); missed != 0 || followed == 0 {
				t.Errorf("%s: %d packets missed of %d connections, want 0", name, missed, followed)
			}
			times := map[string]int{}
			for _, p := range packets {
				times[p.segment]++
			}
			segments := 0
			kept := slices.DeleteFunc(packets, func(p recorded) bool {
				if p.segment == "" || times[p.segment] > 1 {
					return false
				}
				segments++
				return segments%every == 0
			})
			removed += uint64(segments / every)
			conns, _ := runConns(t, writeRecorded(t, filepath.Join(t.TempDir(), "less.pcap"), kept))
			missed, _ := missedPackets(conns)
			estimate += missed
		}
		t.Logf("one of %d segments removed: %d, estimate %d", every, removed, estimate)
		if removed < 10 || estimate > 2*removed || 2*estimate < removed {
			t.Errorf("one of %d segments removed: estimate %d of %d packets, want within a factor of 2", every, estimate, removed)
		}
	}
}

// A snaplen that cuts payload does not look like loss.
func TestLossWithSnaplen(t *testing.T) {
	for _, name := range recordedCaptures(t) {
		packets := readRecorded(t, name)
		for i := range packets {
			p := &packets[i]
			p.wire = p.length()
			p.data = p.data[:min(len(p.data), 14+60+60)]
		}
		conns, _ := runConns(t, writeRecorded(t, filepath.Join(t.TempDir(), "cut.pcap"), packets))
		if missed, followed := missedPackets(conns); missed != 0 || followed == 0 {
			t.Errorf("%s: %d packets missed of %d connections, want 0", name, missed, followed)
		}
	}
}

// TestRotation cuts captures into files: their connections are those of the whole, whatever the names and the number of files.
func TestRotation(t *testing.T) {
	for _, name := range recordedCaptures(t) {
		packets := readRecorded(t, name)
		want, whole := runConns(t, writeRecorded(t, filepath.Join(t.TempDir(), "whole.pcap"), packets))
		for _, parts := range []int{2, 7} {
			dir := t.TempDir()
			for i := range parts {
				part := packets[i*len(packets)/parts : (i+1)*len(packets)/parts]
				writeRecorded(t, filepath.Join(dir, string(rune('z'-i))+".pcap"), part) // the times decide, not the names
			}
			got, res := runConns(t, dir)
			if len(res.Inputs) != parts {
				t.Fatalf("%d inputs, want %d", len(res.Inputs), parts)
			}
			if len(got) != len(want) {
				t.Fatalf("%s in %d files: %d connections, want %d", name, parts, len(got), len(want))
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Errorf("%s in %d files, connection %d:\n got %+v\nwant %+v", name, parts, i, got[i], want[i])
				}
			}
			if res.Outcomes != whole.Outcomes || res.Connections.Ends != whole.Connections.Ends {
				t.Errorf("%s in %d files: outcomes %v, want %v", name, parts, res.Outcomes, whole.Outcomes)
			}
		}
	}
}

func BenchmarkTrackMixed(b *testing.B) {
	r := newTestRun(flow.Options{}, Interface{LinkType: linkEthernet})
	defer r.table.Close()
	r.records = *mixedBatch(b)
	for b.Loop() {
		r.track()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/flow.BatchSize, "ns/packet")
}

// What of the shared captures is missing, by capture; tshark's "ACKed unseen segment" names the same packets in those that come from a wire.
var sharedLosses = map[string]uint64{
	"otrf__covenant_psremoting_command_2020-08-06115603.cap": 2, // before packets 93 and 105
	"arkime__arkime_synthetic.pcap":                          1, // a DNS answer over TCP to a question that was never written
	"arkime__tcp_handshake_synthetic.pcap":                   1, // handshakes written incomplete on purpose
}

// TestLossOfSharedCaptures finds no loss in real traffic that lost nothing.
func TestLossOfSharedCaptures(t *testing.T) {
	followed := 0
	for _, name := range captureFiles(t) {
		base := filepath.Base(name)
		if filepath.Base(filepath.Dir(name)) == "hostile" {
			continue
		}
		var missed uint64
		_, err := Run(context.Background(), Config{Inputs: []string{name}, Emit: func(c *flow.Conn) {
			if c.Missed.Followed && c.Visibility == flow.BothSides {
				followed++
				missed += c.Missed.Packets
			}
		}})
		if err != nil {
			continue // no capture
		}
		if missed != sharedLosses[base] {
			t.Errorf("%s: %d packets missed, want %d", base, missed, sharedLosses[base])
		}
	}
	t.Logf("%d TCP connections followed", followed)
}
