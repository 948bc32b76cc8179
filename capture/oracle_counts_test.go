package capture

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// programCounts explains where a program's count differs, or a file that is not hostile has none: FILE, program.
var programCounts = map[string]string{
	"gopacket__be-test005.pcapng tcpdump":                             "libpcap wants one snaplen in a file",
	"gopacket__be-test201.pcapng tcpdump":                             "libpcap wants one link type in a file",
	"gopacket__le-test005.pcapng tcpdump":                             "libpcap wants one snaplen in a file",
	"gopacket__le-test201.pcapng tcpdump":                             "libpcap wants one link type in a file",
	"pcapplusplus__pcapng-example.pcapng tcpdump":                     "libpcap wants one link type in a file",
	"zeek__portmapper-many-unanswered-calls.pcapng.gz tcpdump":        "libpcap reads nothing that is compressed",
	"otrf__covenant_psremoting_command_2020-08-06115603.cap tcpdump":  "one byte behind the last record: an error to tcpdump, a cut file here",
	"otrf__covenant_psremoting_command_2020-08-06115603.cap capinfos": "one byte behind the last record: an error to capinfos, a cut file here",
	"pypcapng__test006.ntar capinfos":                                 "a block length that is no multiple of 4: refused as libpcap does, rounded up by Wireshark",
}

// TestPacketCountsOfPrograms compares how many packets a file has with tcpdump --count and capinfos -c, which read the file to its end or say that
// they could not.
func TestPacketCountsOfPrograms(t *testing.T) {
	names := captureFiles(t)
	ours := map[string]uint64{}
	for _, name := range names {
		in, err := openInputs([]string{name}, nil, inputOptions{})
		if err != nil {
			continue
		}
		drainInputs(t, in)
		ours[name] = in.list[0].Packets
		in.close()
	}
	for _, program := range []struct {
		name  string
		count func(file string) (uint64, error)
	}{{"tcpdump", tcpdumpCount}, {"capinfos", capinfosCount}} {
		t.Run(program.name, func(t *testing.T) {
			if _, err := exec.LookPath(program.name); err != nil {
				t.Skipf("not tested: %v", err)
			}
			agree, other := 0, 0
			for _, name := range names {
				n, err := program.count(name)
				here := filepath.Base(name) + " " + program.name
				got, ok := ours[name]
				switch {
				case err == nil && ok && n == got:
					agree++
				case programCounts[here] != "" || strings.Contains(name, "/hostile/") && (err != nil || !ok):
					other++
				default:
					t.Errorf("%s: %d packets (%v), here %d", here, n, err, got)
				}
			}
			t.Logf("%d of %d files have as many packets; %d are explained, or hostile and not read to their end", agree, len(names), other)
		})
	}
}

func tcpdumpCount(file string) (uint64, error) {
	out, err := exec.Command("tcpdump", "-r", file, "--count").Output() // "12 packets"
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.Fields(string(out) + " none")[0], 10, 64)
}

// capinfosCount takes the machine's form: FILE, tab, count.
func capinfosCount(file string) (uint64, error) {
	out, err := exec.Command("capinfos", "-T", "-r", "-M", "-c", file).Output()
	if err != nil {
		return 0, err
	}
	_, n, ok := strings.Cut(strings.TrimSpace(string(out)), "\t")
	if !ok {
		return 0, errors.New("no count")
	}
	return strconv.ParseUint(n, 10, 64)
}
