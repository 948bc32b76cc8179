package capture

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// zeekDifferences explains which rows of Zeek's conn.log no connection agrees with: FILE, row and reason, with tabs between them. A row is
// "ORIGINATOR > RESPONDER STATE PACKETS/PACKETS BYTES/BYTES".
const zeekDifferences = "testdata/oracle_zeek_differences.tsv"

// zeekOutcomes are the outcomes that say the same as a conn_state (https://docs.zeek.org, base/protocols/conn). Zeek's states tell how a
// connection ended, ours whether it came about; so several of its states are one of ours.
var zeekOutcomes = map[string][]flow.Outcome{
	"S0":     {flow.Unanswered, flow.OneWay},             // attempt seen, no reply
	"S1":     {flow.Established},                         // not terminated
	"S2":     {flow.Established},                         // close attempt by the originator, no reply
	"S3":     {flow.Established},                         // by the responder
	"SF":     {flow.Established, flow.Answered},          // normal establishment and end
	"REJ":    {flow.Refused},                             // attempt rejected
	"RSTO":   {flow.Established},                         // originator aborted
	"RSTR":   {flow.Established},                         // responder aborted
	"RSTOS0": {flow.Unanswered},                          // SYN and RST, no SYN-ACK
	"RSTRH":  {flow.Partial, flow.Midstream},             // responder's RST, no SYN
	"SH":     {flow.OneSided},                            // SYN and FIN, no SYN-ACK
	"SHR":    {flow.Partial, flow.OneSided, flow.OneWay}, // the responder's side only
	"OTH":    {flow.Midstream, flow.Partial},             // no SYN
}

// TestZeekOracle compares originator, responder, outcome, and packets and bytes each way with the conn.log that Zeek's own tests expect, inside
// tunnels too. Of ICMP and protocols without ports the ends are compared.
func TestZeekOracle(t *testing.T) {
	listed := readRows(t, zeekDifferences, 3)
	files, agree, of := 0, 0, 0
	for _, name := range captureFiles(t) {
		rows, err := tableOf(name + ".zeek.tsv")
		if err != nil {
			continue // most have none
		}
		files++
		base := filepath.Base(name)
		ours := zeekConns(t, name, rows)
		rows, repeated := foldRefused(rows, ours)
		agree += repeated
		of += repeated
		missed := map[string]int{}
		for _, row := range rows {
			of++
			key := zeekKey(row)
			i := slices.IndexFunc(ours[key], func(c flow.Conn) bool { return agreesWithZeek(row, &c) })
			if i < 0 {
				missed[key+" "+zeekRow(row)]++
				continue
			}
			agree++
			ours[key] = slices.Delete(ours[key], i, i+1)
		}
		for _, row := range slices.Sorted(maps.Keys(missed)) {
			if n, want := missed[row], listed[base+"\t"+row]; n != want {
				key, _, _ := cutLast(row)
				key, _, _ = cutLast(key)
				key, _, _ = cutLast(key)
				t.Errorf("unexplained, %d times instead of %d:\n%s\t%s\nleft of ours: %+v", n, want, base, row, ours[key])
			}
			delete(listed, base+"\t"+row)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("explained, but does not occur any more: %s", row)
	}
	t.Logf("%d of %d connections in %d captures agree with Zeek", agree, of, files)
}

// zeekRow is what is compared of a row beside the ends: state, packets and bytes.
func zeekRow(row map[string]string) string {
	return fmt.Sprintf("%s %s/%s %s/%s", row["conn_state"], row["orig_pkts"], row["resp_pkts"], row["orig_ip_bytes"], row["resp_ip_bytes"])
}

func agreesWithZeek(row map[string]string, c *flow.Conn) bool {
	for column, n := range map[string]uint64{"orig_pkts": c.OrigPackets, "resp_pkts": c.RespPackets, "orig_ip_bytes": c.OrigBytes, "resp_ip_bytes": c.RespBytes} {
		if row[column] != "-" && row[column] != strconv.FormatUint(n, 10) {
			return false
		}
	}
	state, proto := row["conn_state"], row["proto"]
	switch {
	case state == "-" || proto == "icmp" || proto == "unknown_transport":
		return true
	case proto == "tcp" && lacksSYN(row["history"]):
		return c.KnownBy == flow.KnownBySynAck && c.Outcome == zeekWithoutSYN(c)
	}
	return slices.Contains(zeekOutcomes[state], c.Outcome)
}

// lacksSYN says that a history has a SYN-ACK and no SYN before it: Zeek gives such a connection the state of a whole one, or OTH.
func lacksSYN(history string) bool {
	return strings.ContainsAny(history, "hH") && !strings.ContainsAny(history, "sS")
}

// zeekWithoutSYN is the outcome of a connection whose SYN-ACK was seen and whose SYN was not.
func zeekWithoutSYN(c *flow.Conn) flow.Outcome {
	switch {
	case c.OrigPackets > 0 && c.RespPackets > 0:
		return flow.Partial
	case c.RespPackets > 1:
		return flow.OneSided
	}
	return flow.HalfOpen
}

// foldRefused leaves out the rows of a SYN that was sent again with the same number after each RST, which Zeek has as a connection each and this
// package as one: where the packets of both are as many. It gives how many rows were one with others.
func foldRefused(rows []map[string]string, ours map[string][]flow.Conn) (left []map[string]string, folded int) {
	same := map[string]uint64{}
	for _, row := range rows {
		if row["conn_state"] == "REJ" && row["history"] == "Sr" {
			same[zeekKey(row)]++
		}
	}
	for key, n := range same {
		i := slices.IndexFunc(ours[key], func(c flow.Conn) bool { return c.Outcome == flow.Refused && c.OrigPackets == n && c.RespPackets == n })
		if n < 2 || i < 0 {
			delete(same, key)
			continue
		}
		ours[key] = slices.Delete(ours[key], i, i+1)
		folded += int(n)
	}
	for _, row := range rows {
		if _, ok := same[zeekKey(row)]; !ok || row["conn_state"] != "REJ" {
			left = append(left, row)
		}
	}
	return left, folded
}

// zeekKey gives "tcp 192.0.2.1 1024 > 192.0.2.2 80", without ports where the protocol has none.
func zeekKey(row map[string]string) string {
	orig, resp := netip.MustParseAddr(row["id.orig_h"]), netip.MustParseAddr(row["id.resp_h"])
	if proto := row["proto"]; proto == "icmp" || proto == "unknown_transport" {
		return fmt.Sprintf("%v > %v", orig, resp)
	}
	return fmt.Sprintf("%v %s > %v %s", orig, row["id.orig_p"], resp, row["id.resp_p"])
}

// zeekConns are all connections, by zeekKey. With Zeek's script conn_key VLAN tags are part of the key.
func zeekConns(t *testing.T, name string, rows []map[string]string) map[string][]flow.Conn {
	t.Helper()
	config := Config{Inputs: []string{name}}
	if len(rows) > 0 && strings.Contains(rows[0]["test"], "conn_key.vlan") {
		config.Key = flow.KeyVLAN
	}
	found := map[string][]flow.Conn{}
	config.Emit = func(c *flow.Conn) {
		key := fmt.Sprintf("%v > %v", c.Orig.Addr(), c.Resp.Addr())
		if c.Proto.HasPorts() {
			key = fmt.Sprintf("%v %d > %v %d", c.Orig.Addr(), c.Orig.Port(), c.Resp.Addr(), c.Resp.Port())
		}
		found[key] = append(found[key], kept(c))
	}
	if _, err := Run(context.Background(), config); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return found
}

// tableOf reads an oracle file: comments, names of the columns, rows.
func tableOf(name string) ([]map[string]string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var columns []string
	var rows []map[string]string
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case columns == nil:
			columns = fields
		case len(fields) != len(columns):
			return nil, fmt.Errorf("%s: row of %d fields, want %d: %q", name, len(fields), len(columns), line)
		default:
			row := map[string]string{}
			for i, c := range columns {
				row[c] = fields[i]
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// readRows reads a list of differences: how often each may occur. The last of the fields is the reason.
func readRows(t *testing.T, name string, fields int) map[string]int {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case len(f) == fields && f[fields-1] != "":
			listed[strings.Join(f[:fields-1], "\t")]++
		default:
			t.Fatalf("%s:%d: want %d fields with a reason: %q", name, i+1, fields, line)
		}
	}
	return listed
}

// cutLast cuts at the last space.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
