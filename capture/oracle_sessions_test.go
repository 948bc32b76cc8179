package capture

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// sessionDifferences explains where the packets between two ends are not as many as Arkime's or nDPI's own tests expect: FILE, oracle, row
// and reason, with tabs between them. A row is "PROTO END END THEIRS OURS".
const sessionDifferences = "testdata/oracle_session_differences.tsv"

// TestSessionOracles compares the packets of both directions together, of all TCP and UDP connections between two ends: the oracles
// divide them into sessions by rules of their own, and nDPI guesses directions.
func TestSessionOracles(t *testing.T) {
	listed := readRows(t, sessionDifferences, 4)
	agree, of := 0, 0
	for _, name := range captureFiles(t) {
		for _, oracle := range []string{"arkime", "ndpi"} {
			rows, err := tableOf(name + "." + oracle + ".tsv")
			if err != nil {
				continue // most have none
			}
			theirs, ours := map[string]int{}, pairPackets(t, name)
			for _, row := range rows {
				if key, n, ok := sessionRow(row); ok {
					theirs[key] += n
				}
			}
			for _, key := range slices.Sorted(maps.Keys(theirs)) {
				of++
				line := fmt.Sprintf("%s\t%s\t%s %d %d", filepath.Base(name), oracle, key, theirs[key], ours[key])
				switch {
				case theirs[key] == ours[key]:
					agree++
				case listed[line] == 0:
					t.Errorf("unexplained: %s", line)
				}
				delete(listed, line)
			}
		}
	}
	for _, line := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("explained, but does not occur any more: %s", line)
	}
	t.Logf("the packets of %d of %d pairs of ends agree with Arkime and nDPI", agree, of)
}

// sessionRow reads a row of either oracle; ok is false for protocols other than TCP and UDP.
func sessionRow(row map[string]string) (key string, packets int, ok bool) {
	proto, a, b, counts := strings.ToLower(row["proto"]), row["cli"], row["srv"], []string{row["c2s_pkts"], row["s2c_pkts"]}
	if row["ipProtocol"] != "" {
		proto = map[string]string{"6": "tcp", "17": "udp"}[row["ipProtocol"]]
		a, b = endText(row["src_ip"], row["src_port"]), endText(row["dst_ip"], row["dst_port"])
		counts = []string{row["src_pkts"], row["dst_pkts"]}
	}
	from, errFrom := netip.ParseAddrPort(a)
	to, errTo := netip.ParseAddrPort(b)
	if errFrom != nil || errTo != nil || proto != "tcp" && proto != "udp" {
		return "", 0, false
	}
	for _, c := range counts {
		n, err := strconv.Atoi(c)
		if err != nil {
			return "", 0, false
		}
		packets += n
	}
	return pairOf(proto, from, to), packets, true
}

func endText(addr, port string) string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return addr + ":" + port
}

func pairOf(proto string, a, b netip.AddrPort) string {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return fmt.Sprintf("%s %v %v", proto, a, b)
}

func pairPackets(t *testing.T, name string) map[string]int {
	t.Helper()
	sums := map[string]int{}
	_, err := Run(context.Background(), Config{Inputs: []string{name}, Emit: func(c *flow.Conn) {
		sums[pairOf(c.Proto.String(), c.Orig, c.Resp)] += int(c.OrigPackets + c.RespPackets)
	}})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return sums
}
