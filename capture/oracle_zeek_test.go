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

// zeekDifferences explains which rows of Zeek's conn.log no connection agrees with: FILE, row and reason, with tabs between them.
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

// TestZeekOracle compares originator, responder and outcome with the conn.log that Zeek's own tests expect, inside tunnels too. Of ICMP and
// protocols without ports the ends are compared.
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
		missed := map[string]int{}
		for _, row := range rows {
			of++
			key, state := zeekKey(row), row["conn_state"]
			i := slices.IndexFunc(ours[key], func(o flow.Outcome) bool { return agreesWithZeek(state, row["proto"], o) })
			if i < 0 {
				missed[key+" "+state]++
				continue
			}
			agree++
			ours[key] = slices.Delete(ours[key], i, i+1)
		}
		for _, row := range slices.Sorted(maps.Keys(missed)) {
			if n, want := missed[row], listed[base+"\t"+row]; n != want {
				key, _, _ := cutLast(row)
				t.Errorf("unexplained, %d times instead of %d:\n%s\t%s\nleft of ours: %v", n, want, base, row, ours[key])
			}
			delete(listed, base+"\t"+row)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("explained, but does not occur any more: %s", row)
	}
	t.Logf("%d of %d connections in %d captures agree with Zeek", agree, of, files)
}

func agreesWithZeek(state, proto string, o flow.Outcome) bool {
	return state == "-" || proto == "icmp" || proto == "unknown_transport" || slices.Contains(zeekOutcomes[state], o)
}

// zeekKey gives "tcp 192.0.2.1 1024 > 192.0.2.2 80", without ports where the protocol has none.
func zeekKey(row map[string]string) string {
	orig, resp := netip.MustParseAddr(row["id.orig_h"]), netip.MustParseAddr(row["id.resp_h"])
	if proto := row["proto"]; proto == "icmp" || proto == "unknown_transport" {
		return fmt.Sprintf("%v > %v", orig, resp)
	}
	return fmt.Sprintf("%v %s > %v %s", orig, row["id.orig_p"], resp, row["id.resp_p"])
}

// zeekConns are the outcomes of all connections, by zeekKey. With Zeek's script conn_key VLAN tags are part of the key.
func zeekConns(t *testing.T, name string, rows []map[string]string) map[string][]flow.Outcome {
	t.Helper()
	config := Config{Inputs: []string{name}}
	if len(rows) > 0 && strings.Contains(rows[0]["test"], "conn_key.vlan") {
		config.Key = flow.KeyVLAN
	}
	found := map[string][]flow.Outcome{}
	config.Emit = func(c *flow.Conn) {
		key := fmt.Sprintf("%v > %v", c.Orig.Addr(), c.Resp.Addr())
		if c.Proto.HasPorts() {
			key = fmt.Sprintf("%v %d > %v %d", c.Orig.Addr(), c.Orig.Port(), c.Resp.Addr(), c.Resp.Port())
		}
		found[key] = append(found[key], c.Outcome)
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
