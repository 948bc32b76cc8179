package inspect_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
)

// TestTLSAgainstTshark compares the names in ClientHellos, and the versions of what is said to be encrypted, with what tshark dissects.
func TestTLSAgainstTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed: apt-get install tshark")
	}
	if testing.Short() {
		t.Skip("tshark reads all captures: half a minute")
	}
	files, _ := filepath.Glob("../../../shared/captures/*cap*")
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".tsv") })
	if len(files) == 0 {
		t.Skip("no captures in ../../../shared/captures")
	}
	compared, proven := 0, 0
	for _, file := range files {
		names, versions := inspected(t, file)
		if len(names) == 0 && len(versions) == 0 && !mayHoldHello(t, file) {
			continue
		}
		theirs := dissected(t, file, "tls.handshake.extensions_server_name || dtls.handshake.extensions_server_name",
			"tls.handshake.extensions_server_name", "dtls.handshake.extensions_server_name")
		maps.DeleteFunc(theirs, func(name string, _ bool) bool { return unlikeTshark[filepath.Base(file)+" "+name] })
		compared += len(theirs)
		if !maps.Equal(names, theirs) {
			t.Errorf("%s: names\n%v\ntshark:\n%v", filepath.Base(file), slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(theirs)))
		}
		if len(versions) == 0 {
			continue
		}
		hellos := dissected(t, file, "tls.handshake.type == 2 || dtls.handshake.type == 2", "tls.handshake.version", "dtls.handshake.version", "tls.handshake.extensions.supported_version")
		for v := range versions {
			if proven++; !hellos[v] && !unlikeTshark[filepath.Base(file)+" "+v] {
				t.Errorf("%s: %s, tshark: %v", filepath.Base(file), v, slices.Sorted(maps.Keys(hellos)))
			}
		}
	}
	t.Logf("%d names and %d versions in %d files", compared, proven, len(files))
}

// unlikeTshark are versions that tshark does not see, and names that are none.
var unlikeTshark = map[string]bool{
	"ndpi__gnutella.pcap 50314 6888 0x0303":                   true, // it takes the port for another protocol; told that it is TLS, it says the same
	"zeek__ppp-quic-interop-retry.pcap 42834 443 server4:443": true, // a server name is a host name, without port (RFC 6066, section 3)
}

// mayHoldHello says whether a file has the bytes that begin the record of a ClientHello, or a header of QUIC version 1 or 2; compressed
// files may have anything.
func mayHoldHello(t *testing.T, file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, begin := range []string{"\x16\x03", "\x16\xfe", "\x80\x01\x03", "\x6b\x33\x43\xcf", "\x00\x00\x00\x01\x08", "\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		if bytes.Contains(data, []byte(begin)) {
			return true
		}
	}
	return false
}

// versionNumbers are the names of versions as tshark's number.
var versionNumbers = map[string]string{"SSL 3.0": "0x0300", "TLS 1.0": "0x0301", "TLS 1.1": "0x0302", "TLS 1.2": "0x0303", "TLS 1.3": "0x0304",
	"DTLS 1.0": "0xfeff", "DTLS 1.2": "0xfefd", "DTLS 1.3": "0xfefc", "QUIC 1 (TLS 1.3)": "0x0304", "QUIC 2 (TLS 1.3)": "0x0304"}

// inspected gives "PORT PORT VALUE", the ports in order, for names and versions.
func inspected(t *testing.T, file string) (names, versions map[string]bool) {
	names, versions = map[string]bool{}, map[string]bool{}
	_, err := capture.Run(t.Context(), capture.Config{Inputs: []string{file}, Emit: func(c *flow.Conn) {
		ends := ports(fmt.Sprint(c.Orig.Port()), fmt.Sprint(c.Resp.Port()))
		for _, f := range c.Facts {
			if f.Kind == flow.FactName && f.Origin == flow.NameSNI {
				names[ends+f.Value] = true
			}
			if number := versionNumbers[f.Value]; f.Kind == flow.FactEncrypted && number != "" {
				versions[ends+number] = true
			}
		}
	}})
	if err != nil {
		t.Log(file, err)
	}
	return names, versions
}

// dissected asks tshark for fields of the packets that a filter selects; of several values each counts.
func dissected(t *testing.T, file, filter string, fields ...string) map[string]bool {
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-o", "tcp.reassemble_out_of_order:TRUE", "-E", "separator=/t"}
	fields = append([]string{"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"}, fields...)
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	out, err := cmd.Output()
	if err != nil {
		t.Logf("tshark %s: %v", filepath.Base(file), err)
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != len(fields) {
			continue
		}
		ends := ports(last(columns[0]), last(columns[1]))
		if columns[0] == "" {
			ends = ports(last(columns[2]), last(columns[3]))
		}
		for _, column := range columns[4:] {
			for value := range strings.SplitSeq(column, ",") {
				if value != "" {
					set[ends+strings.ToLower(value)] = true
				}
			}
		}
	}
	return set
}

func ports(a, b string) string {
	if a > b {
		a, b = b, a
	}
	return a + " " + b + " "
}

// last is the innermost of the values of a field.
func last(s string) string { return s[strings.LastIndexByte(s, ',')+1:] }
