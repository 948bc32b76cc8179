package inspect_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func seens(t *testing.T, patterns ...string) []string {
	t.Helper()
	var names []string
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join("../../../shared/captures", p))
		names = append(names, found...)
	}
	if len(names) == 0 {
		t.Skip("../../../shared/captures is not here")
	}
	return names
}

// TestFTPAgainstOracle: FTP announces exactly the ports that tshark found.
func TestFTPAgainstOracle(t *testing.T) {
	rows := 0
	for _, oracle := range seens(t, "*.dyn.tsv") {
		var ours, theirs []string
		for _, a := range readCapture(t, strings.TrimSuffix(oracle, ".dyn.tsv")).announcements {
			if a.Event == flow.PortAnnounced && a.By == flow.AnnouncedByFTP {
				ours = append(ours, fmt.Sprintf("%d %s %s %d", a.Packet, a.Peer, a.To.Addr(), a.To.Port()))
			}
		}
		table, err := os.ReadFile(oracle)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			if f := strings.Split(line, "\t"); len(f) > 5 && strings.HasPrefix(f[1], "ftp_") {
				theirs = append(theirs, strings.Join([]string{f[0], f[3], f[4], f[5]}, " "))
			}
		}
		rows += len(theirs)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s: announced %q, by the oracle %q", filepath.Base(oracle), ours, theirs)
		}
	}
	t.Logf("%d rows", rows)
}

// textDifferences explains where our protocol or host differs from tshark's: file and stream.
var textDifferences = map[string]string{
	"zeek__mixed-vlan-mpls.pcap 10.0.0.15:80 10.20.80.1:50343 http":                                                                                        "HTTP/0.9: a request without a version could be anything",
	"zeek__tunnels-gtp-gtp1_gn_normal_incl_fragmentation.pcap 10.131.47.185:1923 79.101.110.141:80 o-o.preferred.telekomrs-beg1.v2.lscache8.c.youtube.com": "the field stands in the second fragment of a tunnel's packet",
	"pcapplusplus__pcapng-example.pcapng 130.217.250.13:55338 130.217.250.16:22 ssh":                                                                       "encrypted packets without a beginning: tshark goes by the port",
}

// TestTextAgainstTshark: the streams in which tshark finds a text protocol are those in which we do, and the hosts of HTTP are the same.
func TestTextAgainstTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	if testing.Short() {
		t.Skip("tshark reads all captures: half a minute")
	}
	compared := 0
	for _, name := range seens(t, "*.pcap", "*.pcapng", "otrf__covenant_psremoting*.cap") {
		theirs := tsharkText(t, name)
		if len(theirs) == 0 {
			continue
		}
		ours := map[string][]string{}
		for _, c := range readCapture(t, name).conns {
			key := textEnds(c.Orig.String(), c.Resp.String())
			for _, f := range c.Facts {
				if f.Kind == flow.FactProtocol || f.Kind == flow.FactName && f.Origin == flow.NameHTTP {
					ours[key] = append(ours[key], f.Value)
				}
			}
		}
		for key, values := range theirs {
			for _, v := range values {
				compared++
				if at := filepath.Base(name) + " " + key + " " + v; !slices.Contains(ours[key], v) && textDifferences[at] == "" {
					t.Errorf("%s: we see %q", at, ours[key])
				}
			}
		}
	}
	t.Logf("%d protocols and hosts", compared)
}

func textEnds(a, b string) string {
	if a > b {
		a, b = b, a
	}
	return a + " " + b
}

// tsharkText is what tshark finds between two ends: protocols by our names, and the host of the first request.
func tsharkText(t *testing.T, name string) map[string][]string {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", name, "-T", "fields", "-E", "occurrence=l", "-e", "frame.protocols",
		"-e", "ip.src", "-e", "ip.dst", "-e", "ipv6.src", "-e", "ipv6.dst", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "http.host").Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("tshark %s: %v", name, err)
	}
	found := map[string][]string{}
	hosts := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		layers := strings.Split(f[0], ":")
		if slices.Contains(layers, "icmp") || slices.Contains(layers, "icmpv6") {
			continue
		}
		last := func(of ...string) string {
			at, best := -1, ""
			for i, l := range layers {
				if slices.Contains(of, l) && i > at {
					at, best = i, l
				}
			}
			return best
		}
		source, target := f[1], f[2]
		if last("ip", "ipv6") == "ipv6" {
			source, target = "["+f[3]+"]", "["+f[4]+"]"
		}
		ports := f[5:7]
		if last("tcp", "udp") == "udp" {
			ports = f[7:9]
		}
		key := textEnds(source+":"+ports[0], target+":"+ports[1])
		for _, l := range layers {
			ourName, ok := map[string]string{"ftp": "ftp", "ssh": "ssh", "http": "http", "http2": "http2", "smtp": "smtp", "imap": "imap", "pop": "pop3", "sip": "sip", "syslog": "syslog", "ssdp": "ssdp"}[l]
			if ok && !slices.Contains(found[key], ourName) {
				found[key] = append(found[key], ourName)
			}
		}
		host := strings.ToLower(strings.TrimSuffix(f[9], "."))
		if host, _, _ = strings.Cut(host, ":"); strings.ContainsAny(host, "ghijklmnopqrstuvwxyz") && !hosts[key] && slices.Contains(layers, "http") {
			hosts[key] = true
			found[key] = append(found[key], host)
		}
	}
	return found
}
