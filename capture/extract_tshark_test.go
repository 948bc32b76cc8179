package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// tsharkFrame is one frame as tshark lists it; of an ICMP error also the packet that it quotes.
type tsharkFrame struct {
	number int
	time   int64
	ends   [][2]netip.AddrPort // outermost first
	protos []flow.Proto
}

func tsharkFields(t testing.TB, file string, args ...string) (rows [][]string) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed: what it makes of the file is not checked")
	}
	args = append([]string{"-r", file, "-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=;"}, args...)
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark %q: %v", args, err)
	}
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

func tsharkFrames(t testing.TB, file string) (frames []tsharkFrame) {
	number := func(list []string, i int) uint64 {
		if i >= len(list) || list[i] == "" {
			return 0
		}
		n, err := strconv.ParseUint(list[i], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, row := range tsharkFields(t, file, "-e", "frame.number", "-e", "frame.time_epoch", "-e", "ip.src", "-e", "ip.dst", "-e", "ip.proto", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "udp.srcport", "-e", "udp.dstport") {
		var f tsharkFrame
		f.number, _ = strconv.Atoi(row[0])
		sec, frac, _ := strings.Cut(row[1], ".")
		s, _ := strconv.ParseInt(sec, 10, 64)
		ns, _ := strconv.ParseInt(frac, 10, 64)
		f.time = s*1e9 + ns
		if row[2] == "" {
			frames = append(frames, f)
			continue
		}
		src, dst, protos := strings.Split(row[2], ";"), strings.Split(row[3], ";"), strings.Split(row[4], ";")
		tcp, udp := 0, 0
		for i := range src {
			proto := flow.Proto(number(protos, i))
			var ports [2]uint64
			switch proto {
			case flow.TCP:
				ports = [2]uint64{number(strings.Split(row[5], ";"), tcp), number(strings.Split(row[6], ";"), tcp)}
				tcp++
			case flow.UDP:
				ports = [2]uint64{number(strings.Split(row[7], ";"), udp), number(strings.Split(row[8], ";"), udp)}
				udp++
			}
			f.ends = append(f.ends, [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(src[i]), uint16(ports[0])), netip.AddrPortFrom(netip.MustParseAddr(dst[i]), uint16(ports[1]))})
			f.protos = append(f.protos, proto)
		}
		frames = append(frames, f)
	}
	return frames
}

// of is the naive way: frames between the ends of a connection, from its first packet to its last, and ICMP errors about them.
func (f *tsharkFrame) of(c *flow.Conn) bool {
	for i, e := range f.ends {
		between := e == [2]netip.AddrPort{c.Orig, c.Resp} || e == [2]netip.AddrPort{c.Resp, c.Orig}
		if between && f.protos[i] == c.Proto && (i > 0 || c.First <= f.time && f.time <= c.Last) {
			return true
		}
	}
	return false
}

// What is extracted of every connection of the recorded windows is what its ends and its time filter out, and tshark reads that back.
func TestExtractRecorded(t *testing.T) {
	for _, name := range recordedWindows(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			frames := tsharkFrames(t, name)
			a := auditOf(t, Config{Inputs: []string{name}, Hash: true})
			data, _ := a.extract(t, ExtractConfig{Want: a.all(0), Payload: true})
			got := map[string][]int{}
			for _, comments := range packetComments(t, data) {
				number, _ := strconv.Atoi(strings.Fields(comments[len(comments)-1])[1])
				for _, c := range comments[:len(comments)-1] {
					got[c] = append(got[c], number)
				}
			}
			compared := 0
			for _, c := range a.conns {
				if c.Proto.IsICMP() || !c.Orig.Addr().Is4() {
					continue // ends alone do not tell them apart; the windows have no tunnels
				}
				var want []int
				for i := range frames {
					if frames[i].of(&c) {
						want = append(want, frames[i].number)
					}
				}
				if id := "connection " + c.ID.String(); !slices.Equal(got[id], want) {
					t.Errorf("%s: packets %v, the filter gives %v", id, got[id], want)
				}
				compared++
			}
			t.Logf("%d of %d connections compared, %d frames", compared, len(a.conns), len(frames))
		})
	}
}

// The packets of one connection are those of tshark's own filter, as its display filter language writes it.
func TestExtractAsDisplayFilter(t *testing.T) {
	const name = "../testdata/captures/lync-deviating.pcapng"
	a := auditOf(t, Config{Inputs: []string{name}, Hash: true})
	compared := 0
	for _, c := range a.conns {
		if c.Proto != flow.TCP || c.OrigPackets < 5 || compared == 5 {
			continue
		}
		filter := fmt.Sprintf("tcp && ip.addr==%v && ip.addr==%v && tcp.port==%d && tcp.port==%d && frame.time_epoch>=%s && frame.time_epoch<=%s",
			c.Orig.Addr(), c.Resp.Addr(), c.Orig.Port(), c.Resp.Port(), epoch(c.First), epoch(c.Last))
		want := tsharkFields(t, name, "-Y", filter, "-e", "frame.time_epoch", "-e", "frame.len", "-e", "tcp.seq_raw", "-e", "tcp.flags")
		data, _ := a.extract(t, ExtractConfig{Want: []Wanted{{ID: c.ID}}})
		got := tsharkFields(t, writeFile(t, t.TempDir(), "one.pcapng", data), "-e", "frame.time_epoch", "-e", "frame.len", "-e", "tcp.seq_raw", "-e", "tcp.flags")
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) == 0 {
			t.Errorf("%v: %v, want %v", c.ID, got, want)
		}
		compared++
	}
	if compared != 5 {
		t.Errorf("%d connections compared", compared)
	}
}

func epoch(ns int64) string { return fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9) }

// tshark and capinfos read what was written: conversations with their packets and bytes, comments, interfaces and link types.
func TestExtractReadByTshark(t *testing.T) {
	const name = "../testdata/captures/configmgr-deviating.pcapng"
	a := auditOf(t, Config{Inputs: []string{name}, Hash: true})
	for what, c := range map[string]ExtractConfig{"headers": {}, "payload": {Payload: true}, "pseudonyms": {Pseudonyms: testPseudonyms}} {
		c.Want = a.all(0)
		data, result := a.extract(t, c)
		path := writeFile(t, t.TempDir(), "evidence.pcapng", data)
		rows := tsharkFields(t, path, "-e", "frame.comment", "-e", "_ws.malformed", "-e", "ip.checksum.status", "-o", "ip.check_checksum:TRUE")
		if uint64(len(rows)) != result.Packets {
			t.Errorf("%s: tshark reads %d packets of %d", what, len(rows), result.Packets)
		}
		bad := 0
		for i, r := range rows {
			if !strings.Contains(r[0], "connection 0:") || !strings.Contains(r[0], "packet ") || r[1] != "" {
				t.Fatalf("%s: packet %d: %q", what, i+1, r)
			}
			if strings.HasPrefix(r[2], "0") {
				bad++
			}
		}
		if bad > 0 {
			t.Errorf("%s: %d packets with a wrong IPv4 checksum", what, bad)
		}
		if what != "pseudonyms" {
			if got, want := tsharkConversations(t, path), tsharkConversations(t, name); !slices.Equal(got, want) || len(got) < 10 {
				t.Errorf("%s: conversations\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if _, err := exec.LookPath("capinfos"); err != nil {
			t.Skip("capinfos is not installed: what it makes of the file is not checked")
		}
		if out, err := exec.Command("capinfos", "-M", "-c", "-E", "-I", path).CombinedOutput(); err != nil || !bytes.Contains(out, fmt.Appendf(nil, "Number of packets:   %d", result.Packets)) {
			t.Errorf("%s: capinfos: %v\n%s", what, err, out)
		}
	}
}

// tsharkConversations lists TCP and UDP conversations: ends, frames and bytes each way.
func tsharkConversations(t testing.TB, file string) (list []string) {
	for _, kind := range []string{"conv,tcp", "conv,udp"} {
		out, err := exec.Command("tshark", "-r", file, "-n", "-q", "-z", kind).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			words := strings.Fields(line)
			if len(words) > 5 && words[1] == "<->" {
				list = append(list, strings.Join(words[:len(words)-2], " ")) // without times, which count from the file's first packet
			}
		}
	}
	slices.Sort(list)
	return list
}
