package capture

import (
	"context"
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

// TestOracle compares endpoints, originator, outcome, packets and bytes each way of every TCP and UDP connection, inside tunnels too. The
// oracle knows no idle timeout of UDP, so all UDP connections of the same ends in a file are added up first.
func TestOracle(t *testing.T) {
	listed, explained := readDifferences(t)
	files, agree, of, excluded := 0, 0, 0, 0
	byRule := map[string]int{}
	for _, name := range captureFiles(t) {
		base := filepath.Base(name)
		theirs, err := oracleRows(name + ".conv.tsv")
		if err != nil {
			continue // hostile ones have none
		}
		ours, guessed, err := ownRows(name)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		files++
		different := 0
		seen := map[string]int{}
		for _, c := range unmatched(theirs, ours, guessed, byRule) {
			different++
			seen["-\t"+c.String()]++
		}
		of += len(theirs)
		agree += len(theirs) - different
		if _, ok := explained[base]; ok {
			if different == 0 {
				t.Errorf("%s: agrees with the oracle, but is listed as not covered", base)
			}
			excluded += different
			continue
		}
		for row, n := range ours {
			if n > 0 {
				seen["+\t"+row] = n
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
	for _, rule := range slices.Sorted(maps.Keys(byRule)) {
		t.Logf("%d of them in other words: %s", byRule[rule], rule)
	}
}

// conversation is a row of an oracle file.
type conversation struct {
	proto, outcome         string
	orig, resp             string // address and port
	origPackets, origBytes string
	respPackets, respBytes string
	basis                  string // what the oracle knows the originator by: syn, synack, or first, which is the first sender
	synACKs                string
}

func (c conversation) String() string {
	return fmt.Sprintf("%s %s > %s %s %s/%s %s/%s", c.proto, c.orig, c.resp, c.outcome, c.origPackets, c.respPackets, c.origBytes, c.respBytes)
}

// inOtherWords is how this package tells a conversation that the oracle tells otherwise by its own rules, with the rule; empty where both agree.
// The oracle takes the first sender for the originator, where this package says that it guesses from a well-known port. And the oracle calls
// every connection midstream that lacks the SYN, where a SYN-ACK is part of a handshake here.
func (c conversation) inOtherWords() (other conversation, rule string) {
	other = c
	switch {
	case c.basis == "synack" && c.outcome == "midstream":
		switch {
		case c.origPackets != "0" && c.respPackets != "0":
			other.outcome = "partial"
		case c.respPackets == c.synACKs:
			other.outcome = "half-open"
		default:
			other.outcome = "one-sided"
		}
		return other, "a SYN-ACK without its SYN is part of a handshake, midstream there"
	case c.basis == "first" && answersFrom(c.orig):
		other.orig, other.resp = c.resp, c.orig
		other.origPackets, other.respPackets, other.origBytes, other.respBytes = c.respPackets, c.origPackets, c.respBytes, c.origBytes
		return other, "a packet from a well-known port comes first and is an answer, a request there"
	}
	return c, ""
}

// answersFrom says whether an end's port is one that only responders of the captures have: DNS, DHCP of both versions, HTTP, SNMP, BGP, IMAPS, Teredo.
func answersFrom(end string) bool {
	_, port, _ := cutLast(end)
	return slices.Contains([]string{"53", "67", "80", "161", "179", "547", "993", "3544"}, port)
}

// unmatched takes the oracle's conversations out of ours, and gives those that are not there. It counts those that are there in other words, by
// rule; with ends the other way round only where ours are guessed.
func unmatched(theirs []conversation, ours map[string]int, guessed map[string]bool, byRule map[string]int) (left []conversation) {
	take := func(row string) bool {
		if ours[row] == 0 {
			return false
		}
		ours[row]--
		return true
	}
	theirs = slices.DeleteFunc(slices.Clone(theirs), func(c conversation) bool { return take(c.String()) })
	for _, c := range theirs {
		other, rule := c.inOtherWords()
		if rule == "" || other.orig != c.orig && !guessed[other.String()] || !take(other.String()) {
			left = append(left, c)
			continue
		}
		byRule[rule]++
	}
	return left
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

// oracleRows reads the conversations of an oracle file, those inside tunnels too.
func oracleRows(name string) ([]conversation, error) {
	table, err := tableOf(name)
	if err != nil {
		return nil, err
	}
	var list []conversation
	for _, row := range table {
		end := func(who string) string {
			a, err := netip.ParseAddr(row[who+"_ip"])
			if err != nil {
				return row[who+"_ip"]
			}
			return a.String() + " " + row[who+"_port"]
		}
		c := conversation{proto: row["proto"], outcome: row["outcome"], orig: end("init"), resp: end("resp"), basis: row["role_basis"], synACKs: row["synacks"],
			origPackets: row["pkts_i2r"], respPackets: row["pkts_r2i"], origBytes: row["bytes_i2r"], respBytes: row["bytes_r2i"]}
		if c.outcome == "-" { // UDP
			c.outcome = "answered"
			if c.respPackets == "0" {
				c.outcome = "one-way"
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// ownRows counts equal TCP and UDP connections that a run emits, and says which ones have a guessed originator.
func ownRows(name string) (rows map[string]int, guessed map[string]bool, err error) {
	rows, guessed = map[string]int{}, map[string]bool{}
	add := func(c *flow.Conn) {
		row := fmt.Sprintf("%v %v %d > %v %d %v %d/%d %d/%d", c.Proto, c.Orig.Addr(), c.Orig.Port(), c.Resp.Addr(), c.Resp.Port(), c.Outcome,
			c.OrigPackets, c.RespPackets, c.OrigBytes, c.RespBytes)
		rows[row]++
		guessed[row] = c.KnownBy == flow.KnownByPort
	}
	udp := map[[2]netip.AddrPort]*flow.Conn{}
	_, err = Run(context.Background(), Config{Inputs: []string{name}, Emit: func(c *flow.Conn) {
		switch c.Proto {
		case flow.TCP:
			add(c)
		case flow.UDP:
			foldUDP(udp, new(kept(c)))
		}
	}})
	for _, c := range udp {
		c.Outcome = flow.Answered
		if c.OrigPackets == 0 || c.RespPackets == 0 {
			c.Outcome = flow.OneWay
		}
		add(c)
	}
	return rows, guessed, err
}

// foldUDP adds up connections of the same ends; the first one says who is the originator.
func foldUDP(all map[[2]netip.AddrPort]*flow.Conn, c *flow.Conn) {
	if first := all[[2]netip.AddrPort{c.Orig, c.Resp}]; first != nil {
		first.OrigPackets += c.OrigPackets
		first.RespPackets += c.RespPackets
		first.OrigBytes += c.OrigBytes
		first.RespBytes += c.RespBytes
	} else if first := all[[2]netip.AddrPort{c.Resp, c.Orig}]; first != nil {
		first.OrigPackets += c.RespPackets
		first.RespPackets += c.OrigPackets
		first.OrigBytes += c.RespBytes
		first.RespBytes += c.OrigBytes
	} else {
		all[[2]netip.AddrPort{c.Orig, c.Resp}] = c
	}
}
