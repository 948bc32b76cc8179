package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

const sharedCaptures = "../../shared/captures"

// sharedTable gives the rows of a table beside the shared captures, by file name.
func sharedTable(t testing.TB, name string) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(sharedCaptures, name))
	if err != nil {
		t.Skipf("the shared captures are not here: %v", err)
	}
	defer f.Close()
	rows := map[string]map[string]string{}
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		cells := strings.Split(s.Text(), "\t")
		if names == nil {
			names = cells
			continue
		}
		row := map[string]string{}
		for i, c := range cells {
			row[names[i]] = c
		}
		rows[row["file"]] = row
	}
	return rows
}

// notCaptures are shared files of a format that is not read.
var notCaptures = map[string]string{"hostile/pcapplusplus__solaris.snoop": "snoop"}

// countDiffers explains packet counts that differ from an oracle's.
var countDiffers = map[string]struct {
	oracle string
	want   uint64
	why    string
}{
	"hostile/suricata__bug-6875-01_fuzz.pcap": {"2", 1, "tshark lists the record whose length cannot be true as a frame before it gives up; tcpdump refuses it as we do"},
	"hostile/ndpi__fuzz-2021-10-13.pcap":      {"0", 1, "a version 2.0 file, which has the two lengths swapped: tshark and tcpdump know, the manifest's script did not"},
	"hostile/pypcapng__test006.ntar":          {"1", 0, "the second block's length is no multiple of 4: refused as libpcap and tcpdump do; tshark rounds it up"},
}

func TestSharedCaptures(t *testing.T) {
	rows := sharedTable(t, "manifest.tsv")
	hostile := sharedTable(t, "hostile_tshark.tsv")
	for name, row := range rows {
		path := filepath.Join(sharedCaptures, name)
		in, err := openInputs([]string{path}, nil, inputOptions{hash: true})
		if format, no := notCaptures[name]; no {
			if err == nil || !strings.Contains(err.Error(), format) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		drainInputs(t, in)
		one := in.list[0]
		if one.SHA256 != row["sha256"] {
			t.Errorf("%s: hash %s, want %s", name, one.SHA256, row["sha256"])
		}
		damaged := strings.Contains(row["format"], "file:")
		if damaged == (one.State == InputClean) {
			t.Errorf("%s: state %v %s, format is %s", name, one.State, one.Detail, row["format"])
		}
		if got, want := strconv.Itoa(int(one.CutPackets)), cutPackets(row["format"]); !damaged && got != want {
			t.Errorf("%s: %s cut packets, want %s", name, got, want)
		}
		oracles := []string{row["packets"]}
		if h, ok := hostile[name]; ok {
			oracles = append(oracles, h["tshark_frames"])
		}
		for _, want := range oracles {
			if d, ok := countDiffers[name]; ok && want == d.oracle && one.Packets == d.want {
				continue
			}
			if got := strconv.Itoa(int(one.Packets)); got != want {
				t.Errorf("%s: %s packets, want %s (%v %s)", name, got, want, one.State, one.Detail)
			}
		}
	}
}

func cutPackets(format string) string {
	for _, word := range strings.Split(format, ",") {
		if n, ok := strings.CutPrefix(word, "cut_packets="); ok {
			return n
		}
	}
	return "0"
}

// pcapgoDiffers are files that pcapgo v1.1.19 reads wrongly.
var pcapgoDiffers = map[string]string{
	"ndpi__nfsv2.pcap":            "refuses version 2.1",
	"gopacket__be-test201.pcapng": "loses simple packets' interface and has no time for them",
}

func TestAgainstPcapgo(t *testing.T) {
	compared := 0
	for name, row := range sharedTable(t, "manifest.tsv") {
		if strings.Contains(row["format"], "file:") || row["hostile"] == "1" {
			continue
		}
		if _, differs := pcapgoDiffers[name]; differs {
			continue
		}
		data, err := os.ReadFile(filepath.Join(sharedCaptures, name))
		if err != nil {
			t.Fatal(err)
		}
		read, in := readBytes(t, data)
		if in.Compression == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if data, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		var source interface {
			ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		}
		if in.Format == "pcap" {
			source, err = pcapgo.NewReader(bytes.NewReader(data))
		} else {
			source, err = pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		}
		if err != nil {
			t.Errorf("%s: pcapgo: %v", name, err)
			continue
		}
		n := 0
		for {
			want, info, err := source.ReadPacketData()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: pcapgo packet %d: %v", name, n, err)
				break
			}
			if n == len(read) {
				t.Errorf("%s: pcapgo has more than %d packets", name, n)
				break
			}
			r := read[n]
			if r.data != string(want) || int(r.wire) != info.Length || !r.badTime && r.time != info.Timestamp.UnixNano() {
				t.Errorf("%s: packet %d: %d of %d bytes at %d, pcapgo %d of %d at %d", name, n, len(r.data), r.wire, r.time, len(want), info.Length, info.Timestamp.UnixNano())
				break
			}
			n++
		}
		if n != len(read) {
			t.Errorf("%s: %d packets, pcapgo %d", name, len(read), n)
		}
		compared++
	}
	t.Logf("%d files", compared)
}

// Cut anywhere, a file gives a prefix of its packets, and its bytes stay accounted for.
func TestCutCaptures(t *testing.T) {
	rows := sharedTable(t, "manifest.tsv")
	rnd := rand.New(rand.NewSource(7))
	for _, name := range []string{"arkime__tds7.pcap", "zeek__vntag.pcap", "pcapplusplus__nanosecs_big_endian.pcap", "gopacket__le-test201.pcapng", "gopacket__be-test009.pcapng",
		"pcapplusplus__pcapng-example.pcapng", "zeek__portmapper-many-unanswered-calls.pcapng.gz"} {
		data, err := os.ReadFile(filepath.Join(sharedCaptures, name))
		if err != nil || rows[name] == nil {
			t.Fatal(name, err)
		}
		whole, _ := readBytes(t, data)
		dir := t.TempDir()
		for try := range 250 {
			size := len(data) - try
			if try >= 200 || size < 0 {
				size = rnd.Intn(len(data))
			}
			in, err := openInputs([]string{writeFile(t, dir, "cut", data[:size])}, nil, inputOptions{hash: true})
			if err != nil {
				var input *InputError
				if !errors.As(err, &input) || strings.HasSuffix(name, "pcap") && size >= pcapHeader {
					t.Errorf("%s cut at %d: %v", name, size, err)
				}
				continue
			}
			read := drainInputs(t, in)
			one := in.list[0]
			for i, r := range read {
				if r.data != whole[i].data || r.time != whole[i].time {
					t.Errorf("%s cut at %d: packet %d differs", name, size, i)
				}
			}
			if one.Size != int64(size) || one.State != InputClean && one.State != InputCut {
				t.Errorf("%s cut at %d: %+v", name, size, one)
			}
			if sum := sha256.Sum256(data[:size]); one.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s cut at %d: hash %s", name, size, one.SHA256)
			}
		}
	}
}
