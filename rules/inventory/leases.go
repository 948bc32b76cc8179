package inventory

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// Columns of leases, whichever server wrote them.
var leaseColumns = []string{"address", "hostname", "fqdn", "hardware", "subnet_id"}

// lease is one lease as the file has it last.
type lease struct {
	addr      netip.Addr
	hostname  string // as the client calls itself
	fqdn      string // under which the server has registered it
	hardware  string // or another identifier of the client
	subnet    string
	line, col int
	told      int64  // Unix seconds of the client's last word; 0 if unknown
	ends      int64  // Unix seconds; never: math.MaxInt64
	gone      string // why it is no lease any more; "" if it is one
}

const never = math.MaxInt64

// ledger is the leases of a file: of one address the last entry counts, as both servers write them one behind the other.
type ledger struct {
	table  *Table
	byAddr map[netip.Addr]int
	list   []lease
}

// readLeases reads the leases of ISC DHCP or Kea.
func (t *Table) readLeases(text string, f Format) *Problem {
	l := &ledger{table: t, byAddr: map[netip.Addr]int{}}
	var p *Problem
	if first, _, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "address,") {
		p = l.kea(text)
	} else {
		p = l.isc(text)
	}
	if p != nil {
		return p
	}
	t.Known = slices.Clone(leaseColumns)
	fields := make([]int, len(f.Columns))
	for i, name := range f.Columns {
		if fields[i] = column(leaseColumns, name); fields[i] < 0 && name != "" {
			t.Unknown = append(t.Unknown, i)
		}
	}
	l.rows(fields)
	return nil
}

// add takes an entry in place of an earlier one for its address.
func (l *ledger) add(e lease) *Problem {
	if l.table.Read++; l.table.Read > MaxRows {
		return tooMany(e.line)
	}
	for _, s := range []string{e.hostname, e.fqdn, e.hardware, e.subnet} {
		if len(s) > MaxCell {
			return &Problem{e.line, e.col, fmt.Sprintf("a value of %d bytes", len(s)), fmt.Sprintf("write at most %d", MaxCell)}
		}
	}
	if i, known := l.byAddr[e.addr]; known {
		l.table.leave("older entries of an address", l.list[i].line)
		l.list[i] = e
		return nil
	}
	l.byAddr[e.addr] = len(l.list)
	l.list = append(l.list, e)
	return nil
}

// rows makes rows of the leases that hold at the time of the file's youngest word: the file itself does not say when it was taken.
func (l *ledger) rows(fields []int) {
	slices.SortStableFunc(l.list, func(a, b lease) int { return cmp.Compare(a.line, b.line) })
	var now int64
	for _, e := range l.list {
		now = max(now, e.told)
	}
	clients := map[string]map[string]bool{}
	for i := range l.list {
		e := &l.list[i]
		if e.gone == "" && e.ends < now {
			e.gone = "expired"
		}
		if e.gone == "" && e.hostname != "" {
			name := strings.ToLower(e.hostname)
			if clients[name] == nil {
				clients[name] = map[string]bool{}
			}
			clients[name][e.hardware] = true
		}
	}
	for _, e := range l.list {
		if e.gone != "" {
			l.table.leave(e.gone, e.line)
			continue
		}
		if e.hostname != "" && len(clients[strings.ToLower(e.hostname)]) > 1 { // not one host: clients call themselves what they like
			e.hostname += " (" + e.addr.String() + ")"
		}
		values := []string{e.addr.String(), e.hostname, e.fqdn, e.hardware, e.subnet}
		row := Row{Line: e.line, Col: e.col, Cells: make([]Cell, len(fields))}
		for i, at := range fields {
			row.Cells[i] = Cell{"", e.line, e.col}
			if at >= 0 {
				row.Cells[i].Text = strings.TrimSpace(values[at])
			}
		}
		l.table.Rows = append(l.table.Rows, row)
	}
}
