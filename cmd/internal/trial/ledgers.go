package trial

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
)

// Audit is what a trial reads of audit --format json.
type Audit struct {
	Result struct{ Code int }
	Inputs []Input
	Packet struct {
		Read, Bytes, Unread uint64
		Classes, Inside     []Count
	} `json:"packet_ledger"`
	Connection struct {
		Created, Open, Emitted uint64
		Ends                   []Count
	} `json:"connection_ledger"`
	Totals []struct {
		Verdict              string
		Connections, Packets uint64
	}
	Residuals []string `json:"ledger_residuals"`
}

// Input is one input of an Audit.
type Input struct {
	Name, State, Detail string
	Size, Read, Unread  int64
	Packets             uint64
}

// Count is a named number of packets or, among the ends, of connections.
type Count struct {
	Name    string
	Packets uint64
}

// Conn is what a trial reads of a line of connections --format json.
type Conn struct {
	Proto       string
	Orig, Resp  End
	Outcome     string
	OrigPackets uint64 `json:"orig_packets"`
	RespPackets uint64 `json:"resp_packets"`
}

// End is one end of a Conn.
type End struct {
	IP   string
	Port int
}

// Audit reads the report of an audit run; nil where it printed none, as for an input that is no capture at all.
func (r *Run) Audit() (*Audit, error) {
	if r.Args[0] != "audit" || len(r.Stdout) == 0 {
		return nil, nil
	}
	a := new(Audit)
	if err := json.Unmarshal(r.Stdout, a); err != nil {
		return nil, fmt.Errorf("report is no JSON: %w", err)
	}
	return a, nil
}

// Connections reads the list of a connections run.
func (r *Run) Connections() ([]Conn, error) {
	var list []Conn
	lines := bufio.NewScanner(bytes.NewReader(r.Stdout))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c Conn
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("connection %d is no JSON: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
	return list, lines.Err()
}

// ledgers checks what the run says of its own accounts.
func (r *Run) ledgers() []string {
	if r.Args[0] == "connections" {
		return r.packetLine()
	}
	a, err := r.Audit()
	switch {
	case err != nil:
		return []string{err.Error()}
	case a != nil:
		return a.unbalanced(r)
	case r.Code != 4:
		return []string{fmt.Sprintf("exit code %d without a report", r.Code)}
	}
	return nil
}

func (a *Audit) unbalanced(r *Run) []string {
	var faults []string
	equal := func(what string, got, want uint64) {
		if got != want {
			faults = append(faults, fmt.Sprintf("ledger: %s: %d and %d", what, got, want))
		}
	}
	for _, line := range a.Residuals {
		faults = append(faults, "ledger residual: "+line)
	}
	p, c := &a.Packet, &a.Connection
	var packets, size, connections, judged uint64
	for _, in := range a.Inputs {
		packets += in.Packets
		size += uint64(in.Size)
		equal("bytes read and unread, size of "+in.Name, uint64(in.Read+in.Unread), uint64(in.Size))
		if st, err := os.Stat(in.Name); err == nil {
			equal("size as reported and on disk of "+in.Name, uint64(in.Size), uint64(st.Size()))
		}
	}
	for _, t := range a.Totals {
		connections += t.Connections
		judged += t.Packets
	}
	equal("packets of the inputs, packets read", packets, p.Read)
	equal("packets of all classes, packets read", sum(p.Classes), p.Read)
	equal("bytes read and unread, sizes", p.Bytes+p.Unread, size)
	equal("connections created, open and emitted", c.Created, c.Open+c.Emitted)
	equal("connections open at the end, none", c.Open, 0)
	equal("connections emitted, ends", c.Emitted, sum(c.Ends))
	equal("connections emitted, verdicts", c.Emitted, connections)
	equal("packets decoded, packets of the verdicts", Packets(p.Classes, "decoded")+Packets(p.Inside, "decoded"), judged)
	if r.Code != 4 {
		equal("exit code, code of the result", uint64(r.Code), uint64(a.Result.Code))
	}
	return faults
}

func sum(list []Count) (n uint64) {
	for _, c := range list {
		n += c.Packets
	}
	return n
}

// Packets gives the number under a name, 0 where it is not listed.
func Packets(list []Count, name string) uint64 {
	if i := slices.IndexFunc(list, func(c Count) bool { return c.Name == name }); i >= 0 {
		return list[i].Packets
	}
	return 0
}

// ledgerLine is "612 packets read = 558 decoded + 54 non-ip" on standard error.
var (
	ledgerLine = regexp.MustCompile(`(?m)^(\d+) packets read = (.*)$`)
	innerLine  = regexp.MustCompile(`(?m)^(\d+) packets inside tunnels = (.*)$`)
	ledgerPart = regexp.MustCompile(`(\d+) ([a-z-]+)`)
)

// packetLine checks the packet ledger of a connections run and that of the packets inside tunnels, and that the connections hold exactly the
// packets decoded.
func (r *Run) packetLine() []string {
	line := ledgerLine.FindSubmatch(r.Stderr)
	if line == nil {
		if r.Code == 4 {
			return nil
		}
		return []string{fmt.Sprintf("exit code %d without a packet ledger", r.Code)}
	}
	list, err := r.Connections()
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	var decoded, held uint64
	for _, line := range [][][]byte{line, innerLine.FindSubmatch(r.Stderr)} {
		if line == nil {
			continue
		}
		var total uint64
		for _, part := range ledgerPart.FindAllSubmatch(line[2], -1) {
			n, _ := strconv.ParseUint(string(part[1]), 10, 64)
			total += n
			if string(part[2]) == "decoded" {
				decoded += n
			}
		}
		if read, _ := strconv.ParseUint(string(line[1]), 10, 64); read != total {
			faults = append(faults, fmt.Sprintf("ledger: %d packets read, classes hold %d", read, total))
		}
	}
	for _, c := range list {
		held += c.OrigPackets + c.RespPackets
	}
	if held != decoded {
		faults = append(faults, fmt.Sprintf("ledger: %d packets decoded, connections hold %d", decoded, held))
	}
	return faults
}
