// Command hostile writes captures that are wrong on purpose: file headers and lengths that lie, blocks out of place, decompression
// bombs, packets that no stack would send. Each file is named after its defect; the table beside its generator says what the program
// has to make of it. The same call always writes the same bytes.
//
//	go run ./cmd/internal/hostile -out DIR
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

func main() {
	out := flag.String("out", "", "folder for the files; made if it is not there")
	flag.Parse()
	if *out == "" {
		fmt.Fprintln(os.Stderr, "hostile: name a folder with -out")
		os.Exit(2)
	}
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// write makes all files and lists them with what is expected of them.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tBYTES\tINPUT\tPACKETS\tCLASS")
	for _, c := range cases() {
		data := c.data()
		if err := os.WriteFile(filepath.Join(dir, c.name), data, 0o640); err != nil {
			return err
		}
		packets := "any"
		if c.want.packets >= 0 {
			packets = fmt.Sprint(c.want.packets)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", c.name, len(data), c.want.state, packets, cmp.Or(c.want.classes, c.want.class, "any"))
	}
	return table.Flush()
}

// hostile is one file.
type hostile struct {
	name string // says the defect
	data func() []byte
	want want
}

// want is what the program has to make of a file.
type want struct {
	state   string // of the input: clean, cut, malformed, limit; refused: no capture, so exit code 4 and no report; any
	packets int    // read; -1: any number
	class   string // of the packet ledger, that holds packets; empty: any
	classes string // of all packets but the witness's: "decoded 1, too-deep 2", in the ledger's order; empty: any
	inside  string // of what tunnels carry; "none" where none is opened
	forged  bool   // no connection is established: nobody finished a handshake
	opened  bool   // host A opened the one connection between the hostile hosts, and it is established
	witness bool   // the good conversation around the hostile packets is told, and answered
}

func clean(packets int) want     { return want{state: "clean", packets: packets} }
func cut(packets int) want       { return want{state: "cut", packets: packets} }
func malformed(packets int) want { return want{state: "malformed", packets: packets} }
func limit(packets int) want     { return want{state: "limit", packets: packets} }

var (
	refused  = want{state: "refused"}
	whatever = want{state: "any", packets: -1}
)

func (w want) classed(name string) want { w.class = name; return w }

// exactly names all classes with their packets, and those of what tunnels carry.
func (w want) exactly(classes, inside string) want { w.classes, w.inside = classes, inside; return w }

// suite collects files.
type suite struct{ list []hostile }

func (s *suite) add(name string, w want, data []byte) {
	s.list = append(s.list, hostile{name, func() []byte { return data }, w})
}

// late adds a file that is made when it is asked for: those that are large until they are compressed.
func (s *suite) late(name string, w want, data func() []byte) {
	s.list = append(s.list, hostile{name, data, w})
}

// packets adds a capture of Ethernet frames between the two packets of a good conversation.
func (s *suite) packets(name string, w want, frames ...[]byte) {
	s.capture(name, w, linkEthernet, frames...)
}

// capture is packets for any link type; frames of others than Ethernet have no witness.
func (s *suite) capture(name string, w want, link uint32, frames ...[]byte) {
	if link == linkEthernet {
		w.packets, w.witness = len(frames)+2, true
		frames = append(append([][]byte{witnessAsks}, frames...), witnessAnswers)
	} else {
		w.packets = len(frames)
	}
	w.state = "clean"
	s.list = append(s.list, hostile{name + ".pcap", func() []byte {
		f := newPcap(little, link)
		for i, frame := range frames {
			f.record(1600000000+uint32(i/1000), uint32(i%1000)*1000, frame)
		}
		return f.b
	}, w})
}

// cases lists all files by name.
func cases() []hostile {
	s := new(suite)
	for _, add := range []func(*suite){
		foreignFiles, pcapHeaders, pcapRecords, pcapTimes, blockLengths, sections, packetBlocks, interfaces, options, blockTimes,
		compressed, bombs, linkHeaders, tagStacks, wireless, ipv4Headers, ipv6Headers, ipv6Chains, tcpHeaders, tcpConversations, datagrams,
		icmpQuotes, addresses, fragments, floods, tunnels, tunnelHeaders, names,
	} {
		add(s)
	}
	slices.SortFunc(s.list, func(a, b hostile) int { return cmp.Compare(a.name, b.name) })
	return s.list
}
