// Command generate writes large captures for measuring speed: conversations of a company of 1,000 hosts with true handshakes, sequence
// numbers, checksums and payloads that an inspection recognises. The same arguments always write the same bytes.
//
//	go run ./cmd/internal/generate -kind mixed -size 0.1 -seed 1 -site site.yaml mixed.pcap
//
// The kinds, at size 1: mixed is the window of a backup, 2 GB in 3 million packets; small is 2 million short connections in 12 million
// packets of 60 to 104 bytes, 1 GB; snap96 is mixed cut at 96 bytes, 10 million packets, 1 GB.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	kind := flag.String("kind", "mixed", "mixed, small or snap96")
	size := flag.Float64("size", 1, "fraction of the full size, 0.00001 to 10")
	seed := flag.Uint64("seed", 1, "other seeds write other captures")
	format := flag.String("format", "pcap", "pcap or pcapng")
	site := flag.String("site", "", "write the site file that belongs to every kind to this file")
	silent := flag.Int("silent", 0, "hosts more in the site file, at most 65536, that take part in nothing")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: generate [flags] OUT    (- is standard output)")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *silent < 0 || *silent > 1<<16 || *format != "pcap" && *format != "pcapng" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*kind, *size, *seed, *format == "pcapng", *site, *silent, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run writes the files and prints a summary in JSON on standard error.
func run(kind string, size float64, seed uint64, ng bool, site string, silent int, out string) (err error) {
	if site != "" {
		if err := writeFile(site, func(w io.Writer) error { return newNetwork().site(w, silent) }); err != nil {
			return err
		}
	}
	var s result
	began := time.Now()
	err = writeFile(out, func(w io.Writer) (err error) {
		s, err = generate(w, kind, size, seed, ng)
		return err
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	text, err := json.Marshal(s)
	fmt.Fprintf(os.Stderr, "%s\n%.2f s, %.0f MB/s\n", text, time.Since(began).Seconds(), float64(s.Bytes)/1e6/time.Since(began).Seconds())
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(os.Stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// result is what a capture holds.
type result struct {
	Packets, Bytes int64
	summary
}

// Kinds at size 1: conversations, and the time over which they begin, in ticks, which shrinks with the size so that as many are open at once;
// that of small does not. Pace is the mean time between two turns of a conversation, in ticks: small's are long, so that many are open at once.
const (
	mixedCount, mixedWindow = 190_000, 7_200_000
	snapCount, snapWindow   = 620_000, 23_760_000
	smallCount, smallWindow = 2_000_000, 600_000
	mixedPace, smallPace    = 12, 30_000
	wholePacket, snapPacket = 262_144, 96
)

// generate writes one capture.
func generate(w io.Writer, kind string, size float64, seed uint64, ng bool) (result, error) {
	if size < 1e-5 || size > 10 {
		return result{}, fmt.Errorf("size %g is not between 0.00001 and 10", size)
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	bytes := rand.NewChaCha8(key)
	hands, err := record(bytes)
	if err != nil {
		return result{}, err
	}
	noise := make([]byte, noiseSize)
	bytes.Read(noise)
	g := generator{random: rand.New(rand.NewPCG(seed, 96)), noise: noise, wheel: make([]uint32, wheelSize), pace: mixedPace}
	count, window, snap := float64(mixedCount), size*mixedWindow, wholePacket
	switch kind {
	case "mixed":
		g.services = mixed(newNetwork(), hands)
	case "snap96":
		g.services = mixed(newNetwork(), hands)
		count, window, snap = snapCount, size*snapWindow, snapPacket
	case "small":
		g.services, g.pace = small(newNetwork()), smallPace
		count, window = smallCount, smallWindow
	default:
		return result{}, fmt.Errorf("kind %q is none of mixed, small, snap96", kind)
	}
	g.out = newFile(w, ng, snap)
	if err := g.run(max(1, int(count*size)), max(1, int64(window))); err != nil {
		return result{}, err
	}
	return result{g.out.packets, g.out.bytes, g.made}, nil
}
