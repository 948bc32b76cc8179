package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pcapaudit/cmd/internal/trial"
)

var vendors = []string{"acronis-abr-11.5", "configmgr-2012", "lync-2013-director", "ibm-cloud-backup", "azure-data-box"}

// tiny is what the tests write of each kind: some thousand packets.
var tiny = map[string]float64{"mixed": 0.003, "small": 0.001, "snap96": 0.001}

func TestSameSeedSameBytes(t *testing.T) {
	for kind, size := range tiny {
		for _, ng := range []bool{false, true} {
			var one, same, other bytes.Buffer
			for _, w := range []struct {
				to   *bytes.Buffer
				seed uint64
			}{{&one, 1}, {&same, 1}, {&other, 2}} {
				if _, err := generate(w.to, kind, size, w.seed, ng); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(one.Bytes(), same.Bytes()) {
				t.Errorf("%s, pcapng %v: the same seed wrote other bytes", kind, ng)
			}
			if bytes.Equal(one.Bytes(), other.Bytes()) {
				t.Errorf("%s, pcapng %v: another seed wrote the same bytes", kind, ng)
			}
		}
	}
}

// TestAudited runs the real program: the list of connections has as many of each protocol and outcome as the generator made, the ledgers balance, and
// about 95 of 100 connections are documented, less where packets are cut before the port that a server announces.
func TestAudited(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds and runs the program; its resident memory shows that of a test with the race detector")
	}
	dir := t.TempDir()
	program, err := trial.Build(dir, trial.Usual)
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "site.yaml")
	if err := writeFile(site, func(w io.Writer) error { return newNetwork().site(w, 0) }); err != nil {
		t.Fatal(err)
	}
	audit := []string{"audit", "--hash", "none", "--format", "json", "--site", site}
	for _, v := range vendors {
		audit = append(audit, "--rules", v)
	}
	for kind, size := range tiny {
		for _, ng := range []bool{false, true} {
			capture, made := written(t, dir, kind, size, ng)
			run := func(args ...string) []byte {
				t.Helper()
				r, err := program.Start(0, append(args, capture)...)
				if err != nil {
					t.Fatal(err)
				}
				if faults := r.Faults(); len(faults) > 0 {
					t.Errorf("%s, pcapng %v: %s: %s", kind, ng, args[0], strings.Join(faults, "; "))
				}
				if args[0] == "audit" && r.Code != 1 {
					t.Errorf("%s, pcapng %v: audit ended with %d, not 1: %s", kind, ng, r.Code, r.Stderr)
				}
				return r.Stdout
			}
			if got := listed(t, run("connections", "--format", "json")); got != made.summary {
				t.Errorf("%s, pcapng %v: listed %+v, made %+v", kind, ng, got, made.summary)
			}
			if got := documented(t, run(audit...)); got < 90 || got > 98 {
				t.Errorf("%s, pcapng %v: %.1f %% of the connections are documented", kind, ng, got)
			}
		}
	}
}

// written is a capture of the kind in dir, and what the generator says of it.
func written(t *testing.T, dir, kind string, size float64, ng bool) (string, result) {
	t.Helper()
	var made result
	name := filepath.Join(dir, kind+".pcap")
	err := writeFile(name, func(w io.Writer) (err error) {
		made, err = generate(w, kind, size, 1, ng)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	made.ARP = 0 // requests are no connections
	return name, made
}

// listed counts a list of connections as the generator does.
func listed(t *testing.T, list []byte) (s summary) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		var c struct{ Proto, Outcome string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		switch c.Proto {
		case "tcp":
			s.TCP++
		case "udp":
			s.UDP++
		default:
			s.ICMP++
		}
		switch c.Outcome {
		case "refused":
			s.Refused++
		case "unanswered":
			s.Silent++
		}
	}
	return s
}

// documented is the share of judged connections, in percent.
func documented(t *testing.T, report []byte) float64 {
	t.Helper()
	var audit struct {
		Totals []struct {
			Verdict     string
			Connections float64
		}
	}
	if err := json.Unmarshal(report, &audit); err != nil {
		t.Fatal(err)
	}
	all, met := 0.0, 0.0
	for _, total := range audit.Totals {
		all += total.Connections
		if total.Verdict == "documented" {
			met = total.Connections
		}
	}
	return 100 * met / all
}

// TestAgainstTshark has tshark check all checksums, and look for what its experts call an error.
func TestAgainstTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	dir := t.TempDir()
	for kind, size := range tiny {
		if kind == "snap96" {
			continue // cut packets have no checksums to check
		}
		capture, _ := written(t, dir, kind, size, false)
		out, err := exec.Command(tshark, "-n", "-q", "-r", capture, "-z", "expert", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE").Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Fatalf("tshark: %v: %s", err, exit.Stderr)
		}
		for _, bad := range []string{"Checksum", "Malformed", "Retransmission of a FIN", "unseen segment", "Previous segment"} {
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, bad) && !strings.Contains(line, "SSH") { // tshark reads what is encrypted there as messages at times
					t.Errorf("%s: tshark says %q: %s", kind, bad, line)
				}
			}
		}
	}
}
