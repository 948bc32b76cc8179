package inspect_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

const microsoftCaptures = "../../../shared/captures"

// microsoftDifferences explains rows of the oracle that are not announced, and protocols that differ. A line is FILE, KIND, ROW and REASON, with tabs between.
const microsoftDifferences = "testdata/microsoft_differences.tsv"

// seen is what a capture tells.
type seen struct {
	conns         []flow.Conn
	announcements []flow.Announcement
}

func readCapture(t *testing.T, name string) seen {
	t.Helper()
	var s seen
	_, err := capture.Run(context.Background(), capture.Config{Inputs: []string{name},
		Emit:  func(c *flow.Conn) { s.conns = append(s.conns, kept(c)) },
		Learn: inspect.Learn{Announcement: func(a *flow.Announcement) { s.announcements = append(s.announcements, *a) }}})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func microsoftFiles(t *testing.T, pattern string) []string {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(microsoftCaptures, pattern))
	if len(names) == 0 {
		t.Skipf("%s has no %s", microsoftCaptures, pattern)
	}
	return names
}

func explainedDifferences(t *testing.T) map[string]bool {
	t.Helper()
	data, err := os.ReadFile(microsoftDifferences)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 {
			t.Fatalf("%s: bad line %q", microsoftDifferences, line)
		}
		listed[strings.Join(fields[:3], "\t")] = true
	}
	return listed
}

// TestAnnouncedAgainstOracle compares the ports that control connections of RPC announce with those that tshark found.
func TestAnnouncedAgainstOracle(t *testing.T) {
	explained := explainedDifferences(t)
	rows := 0
	for _, oracle := range microsoftFiles(t, "*.dyn.tsv") {
		name := strings.TrimSuffix(oracle, ".dyn.tsv")
		s := readCapture(t, name)
		ours := map[string]bool{}
		for _, a := range s.announcements {
			if a.Event == flow.PortAnnounced && a.By == flow.AnnouncedByRPC {
				ours[fmt.Sprintf("%d %s %s %s %d %s", a.Packet, a.Resp.Addr(), a.Peer, a.To.Addr(), a.To.Port(), a.What)] = true
			}
		}
		theirs := map[string]bool{}
		for _, f := range oracleTable(t, oracle) {
			if len(f) < 7 || f[1] != "epm_map_response" && f[1] != "dcom_binding" {
				continue
			}
			rows++
			if f[1] == "dcom_binding" {
				f[6] = "dcom"
				if !strings.Contains(f[4], ".") {
					f[4] = f[2] // a host name stands for the server
				}
			}
			row := fmt.Sprintf("%s %s %s %s %s %s", f[0], f[2], f[3], f[4], f[5], f[6])
			theirs[row] = true
			if !ours[row] && !explained[filepath.Base(name)+"\tannounced\t"+row] {
				t.Errorf("%s: not announced: %s", filepath.Base(name), row)
			}
		}
		for row := range ours {
			if !theirs[row] && !explained[filepath.Base(name)+"\tannounced\t"+row] {
				t.Errorf("%s: announced, and not by the oracle: %s", filepath.Base(name), row)
			}
		}
	}
	t.Logf("%d rows", rows)
}

func oracleTable(t *testing.T, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(data)))
	r.Comma, r.Comment, r.FieldsPerRecord = '\t', '#', -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

var microsoftPorts = regexp.MustCompile(`\t(88|135|139|389|445|502|1433|3268|3389|49\d{3})\t`)

// TestMicrosoftAgainstTshark compares, for each TCP connection, which of the protocols here were recognised, the dialect of SMB and whether RPC is sealed.
func TestMicrosoftAgainstTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	if testing.Short() {
		t.Skip("tshark reads all captures: half a minute")
	}
	explained := explainedDifferences(t)
	compared := 0
	for _, name := range slices.Concat(microsoftFiles(t, "*.cap"), microsoftFiles(t, "*.pcap")) {
		if table, err := os.ReadFile(name + ".conv.tsv"); err != nil || !microsoftPorts.Match(table) {
			continue // where tshark does not look for these protocols
		}
		out, err := exec.Command(tshark, "-n", "-r", name, "-Y", "tcp && (smb||smb2||dcerpc||ldap||kerberos||tds||rdp)", "-T", "fields",
			"-e", "ip.src", "-e", "tcp.srcport", "-e", "ip.dst", "-e", "tcp.dstport", "-e", "frame.protocols", "-e", "smb2.dialect", "-e", "dcerpc.auth_level", "-e", "dcerpc.pkt_type").Output()
		if err != nil && len(out) == 0 {
			continue
		}
		theirs := tsharkFacts(string(out))
		if len(theirs) == 0 {
			continue
		}
		s := readCapture(t, name)
		for pair, want := range theirs {
			got := ourFacts(s.conns, pair)
			for w := range want {
				compared++
				if !got[w] && !explained[filepath.Base(name)+"\t"+pair+"\t"+w] {
					t.Errorf("%s\t%s\t%s\tnot among %v", filepath.Base(name), pair, w, got)
				}
			}
		}
	}
	t.Logf("%d facts", compared)
}

func pairOf(a, b string) string { return min(a, b) + " " + max(a, b) }

func tsharkFacts(out string) map[string]map[string]bool {
	facts := map[string]map[string]bool{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) < 8 || f[0] == "" || strings.Contains(f[0], ",") {
			continue
		}
		pair := pairOf(f[0]+":"+f[1], f[2]+":"+f[3])
		if facts[pair] == nil {
			facts[pair] = map[string]bool{}
		}
		in := map[string]bool{}
		for _, p := range strings.Split(f[4], ":") {
			in[p] = true
		}
		smb := in["smb"] || in["smb2"]
		for _, p := range []string{"ldap", "kerberos", "tds", "rdp"} {
			if in[p] && !smb && !in["dcerpc"] {
				facts[pair][p] = true
			}
		}
		if in["dcerpc"] && !smb {
			facts[pair]["dcerpc"] = true
			if kind := strings.Split(f[7], ",")[0]; f[6] == "6" && (kind == "0" || kind == "2") {
				facts[pair]["sealed"] = true
			}
		}
		if in["smb2"] && strings.Contains("0x0202 0x0210 0x0300 0x0302 0x0311", f[5]) && len(f[5]) == 6 {
			facts[pair][f[5]] = true
		}
	}
	return facts
}

func ourFacts(conns []flow.Conn, pair string) map[string]bool {
	facts := map[string]bool{}
	dialects := map[string]string{"SMB 2.0.2 chosen": "0x0202", "SMB 2.1 chosen": "0x0210", "SMB 3.0 chosen": "0x0300", "SMB 3.0.2 chosen": "0x0302", "SMB 3.1.1 chosen": "0x0311"}
	for _, c := range conns {
		if pairOf(c.Orig.String(), c.Resp.String()) != pair {
			continue
		}
		for _, f := range c.Facts {
			switch {
			case f.Kind == flow.FactProtocol:
				facts[f.Value] = true
			case f.Kind == flow.FactEncrypted && f.Value == "DCE/RPC packet privacy":
				facts["sealed"] = true
			case f.Kind == flow.FactNote && dialects[f.Value] != "":
				facts[dialects[f.Value]] = true
			}
		}
	}
	return facts
}

// kept is a connection that outlives its emission.
func kept(c *flow.Conn) flow.Conn {
	k := *c
	k.Facts = slices.Clone(c.Facts)
	return k
}
