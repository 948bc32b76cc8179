package capture

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// oracleDifferences explains where connections differ from those that tshark saw. A line is FILE, a tab, and
//
//   - REASON         the whole file is beyond what is decoded
//   - ROW  REASON    tshark has it
//   - ROW  REASON    this package has it
//
// with tabs between the fields. Rows that occur n times stand there n times.
const oracleDifferences = "testdata/oracle_differences.tsv"

// TestOracle compares endpoints, originator, outcome and packets each way of every TCP and UDP connection, inside tunnels too. The oracle
// knows no idle timeout of UDP, so all UDP connections of the same ends in a file are added up first.
func TestOracle(t *testing.T) {
	listed, explained := readDifferences(t)
	files, agree, of, excluded := 0, 0, 0, 0
	for _, name := range captureFiles(t) {
		base := filepath.Base(name)
		theirs, err := oracleRows(name + ".conv.tsv")
		if err != nil {
			continue // hostile ones have none
		}
		ours, err := ownRows(name)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		files++
		different := 0
		for row, n := range theirs {
			of += n
			agree += min(n, ours[row])
			different += n - min(n, ours[row])
		}
		if _, ok := explained[base]; ok {
			if different == 0 {
				t.Errorf("%s: agrees with the oracle, but is listed as not covered", base)
			}
			excluded += different
			continue
		}
		seen := map[string]int{}
		for row, n := range theirs {
			if d := n - ours[row]; d > 0 {
				seen["-\t"+row] = d
			}
		}
		for row, n := range ours {
			if d := n - theirs[row]; d > 0 {
				seen["+\t"+row] = d
			}
		}
		for _, line := range slices.Sorted(maps.Keys(seen)) {
			if n, want := seen[line], listed[base+"\t"+line]; n != want {
				t.Errorf("unexplained, %d times instead of %d:\n%s\t%s", n, want, base, line)
			}
			delete(listed, base+"\t"+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("explained, but does not occur any more: %s", line)
	}
	t.Logf("%d of %d connections in %d captures agree with the oracle; %d of the others are in files that are not covered", agree, of, files, excluded)
}

// readDifferences gives how often each difference may occur, and the files that are not covered.
func readDifferences(t *testing.T) (listed map[string]int, files map[string]string) {
	t.Helper()
	b, err := os.ReadFile(oracleDifferences)
	if err != nil {
		t.Fatal(err)
	}
	listed, files = map[string]int{}, map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case len(f) == 3 && f[1] == "*" && f[2] != "":
			files[f[0]] = f[2]
		case len(f) == 4 && (f[1] == "-" || f[1] == "+") && f[3] != "":
			listed[strings.Join(f[:3], "\t")]++
		default:
			t.Fatalf("%s:%d: not FILE, sign, row and reason: %q", oracleDifferences, i+1, line)
		}
	}
	return listed, files
}

// oracleRows counts equal connections of an oracle file, those inside tunnels too.
func oracleRows(name string) (map[string]int, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.Comment, r.LazyQuotes, r.FieldsPerRecord = '\t', '#', true, -1
	lines, err := r.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	column := map[string]int{}
	for i, c := range lines[0] {
		column[c] = i
	}
	rows := map[string]int{}
	for _, line := range lines[1:] {
		get := func(c string) string { return line[column[c]] }
		outcome := get("outcome")
		if outcome == "-" { // UDP
			outcome = "answered"
			if get("pkts_r2i") == "0" {
				outcome = "one-way"
			}
		}
		end := func(who string) string {
			a, err := netip.ParseAddr(get(who + "_ip"))
			if err != nil {
				return get(who + "_ip")
			}
			return a.String() + " " + get(who+"_port")
		}
		rows[fmt.Sprintf("%s %s > %s %s %s/%s", get("proto"), end("init"), end("resp"), outcome, get("pkts_i2r"), get("pkts_r2i"))]++
	}
	return rows, nil
}

// ownRows counts equal TCP and UDP connections that a run emits.
func ownRows(name string) (map[string]int, error) {
	rows := map[string]int{}
	add := func(c *flow.Conn) {
		rows[fmt.Sprintf("%v %v %d > %v %d %v %d/%d", c.Proto, c.Orig.Addr(), c.Orig.Port(), c.Resp.Addr(), c.Resp.Port(), c.Outcome, c.OrigPackets, c.RespPackets)]++
	}
	udp := map[[2]netip.AddrPort]*flow.Conn{}
	_, err := Run(context.Background(), Config{Inputs: []string{name}, Emit: func(c *flow.Conn) {
		switch c.Proto {
		case flow.TCP:
			add(c)
		case flow.UDP:
			foldUDP(udp, c)
		}
	}})
	for _, c := range udp {
		c.Outcome = flow.Answered
		if c.OrigPackets == 0 || c.RespPackets == 0 {
			c.Outcome = flow.OneWay
		}
		add(c)
	}
	return rows, err
}

// foldUDP adds up connections of the same ends; the first one says who is the originator.
func foldUDP(all map[[2]netip.AddrPort]*flow.Conn, c *flow.Conn) {
	if first := all[[2]netip.AddrPort{c.Orig, c.Resp}]; first != nil {
		first.OrigPackets += c.OrigPackets
		first.RespPackets += c.RespPackets
	} else if first := all[[2]netip.AddrPort{c.Resp, c.Orig}]; first != nil {
		first.OrigPackets += c.RespPackets
		first.RespPackets += c.OrigPackets
	} else {
		all[[2]netip.AddrPort{c.Orig, c.Resp}] = c
	}
}
