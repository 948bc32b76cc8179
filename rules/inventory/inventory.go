// Package inventory reads lists of hosts that other systems keep: tables in CSV, Ansible's inventory, computers of Active Directory, leases of DHCP servers.
// It gives rows with their places; what a row means for a site is decided elsewhere. Files are anybody's: every length is bounded, and text is as hostile as
// what comes from the wire.
package inventory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of one file.
const (
	MaxFile    = 32 << 20 // bytes
	MaxRows    = 1 << 18
	MaxColumns = 1024
	MaxCell    = 4096 // bytes of a value that is used
)

// Kind says what wrote a file.
type Kind string

const (
	CSV     Kind = "csv"
	Ansible Kind = "ansible" // what ansible-inventory --list prints, JSON
	AD      Kind = "ad"      // what Get-ADComputer | Export-Csv writes
	DHCP    Kind = "dhcp"    // dhcpd.leases of ISC DHCP; kea-leases4.csv and kea-leases6.csv of Kea's memfile
)

// Kinds are the words for kinds, in their order.
func Kinds() []string { return []string{string(CSV), string(Ansible), string(AD), string(DHCP)} }

// Format says how a file is to be read.
type Format struct {
	Kind      Kind
	Separator rune     // between the fields of a CSV file; 0: the comma, semicolon, tab or bar that its first line has most of
	NoHeader  bool     // a CSV file has no line with the names of columns: they go by their numbers, from 1
	Columns   []string // to read, "" for none: names of columns, in CSV also numbers from 1; variables of Ansible's hosts, a.b for the value b inside a
}

// Table is what a file lists.
type Table struct {
	Rows    []Row
	Read    int      // rows of the file, also those left out
	Left    []Left   // by reason, in the order in which they were met
	Unknown []int    // of Format.Columns: those that the file does not have
	Known   []string // columns that it has, at most MaxColumns
}

// Row is one host, or one of its addresses.
type Row struct {
	Line, Col int      // from 1
	Cells     []Cell   // as Format.Columns
	Groups    []string // of an Ansible host, also those around its own; sorted
}

// Cell is a value without the space around it. Its column counts bytes, as the encodings below UTF-8 are gone by then.
type Cell struct {
	Text      string
	Line, Col int
}

// Left counts rows that are no hosts, by the reason.
type Left struct {
	Reason string
	Rows   int
	Line   int // of the first
}

// Problem is a mistake in a file: where, what is wrong and what to do. Line 0 is the file as a whole.
type Problem struct {
	Line, Col int
	What, Do  string
}

// Read reads a file. The table is nil where there is a problem: a list that is half understood says nothing about who is missing.
func Read(data []byte, f Format) (*Table, *Problem) {
	if len(data) > MaxFile {
		return nil, &Problem{What: fmt.Sprintf("the file has %d bytes", len(data)), Do: fmt.Sprintf("an inventory may have at most %d", MaxFile)}
	}
	text, p := decoded(data)
	if p != nil {
		return nil, p
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Problem{What: "the file is empty", Do: "export it again"}
	}
	t := &Table{}
	switch f.Kind {
	case Ansible:
		p = t.readAnsible(text, f)
	case DHCP:
		p = t.readLeases(text, f)
	case AD:
		p = t.readAD(text, f)
	default:
		p = t.readCSV(text, f)
	}
	if p != nil {
		return nil, p
	}
	return t, nil
}

var (
	bomUTF8 = []byte("\xef\xbb\xbf")
	bomLE   = []byte("\xff\xfe")
	bomBE   = []byte("\xfe\xff")
)

// decoded gives the text without byte order mark: UTF-8, or UTF-16 where a mark says so, as Excel's "Unicode text" and PowerShell write it.
func decoded(data []byte) (string, *Problem) {
	switch {
	case bytes.HasPrefix(data, bomLE):
		return wide(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, bomBE):
		return wide(data[2:], binary.BigEndian)
	}
	data = bytes.TrimPrefix(data, bomUTF8)
	if !utf8.Valid(data) {
		line := 1
		for at := range bytes.Lines(data) {
			if !utf8.Valid(at) {
				break
			}
			line++
		}
		return "", &Problem{Line: line, Col: 1, What: "not UTF-8 text", Do: `save it as "CSV UTF-8", or export it with -Encoding UTF8`}
	}
	return string(data), nil
}

func wide(data []byte, order binary.ByteOrder) (string, *Problem) {
	if len(data)%2 != 0 {
		return "", &Problem{What: "the file is UTF-16 text that ends within a character", Do: "export it again"}
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// leave counts a row that is no host.
func (t *Table) leave(reason string, line int) {
	if i := slices.IndexFunc(t.Left, func(l Left) bool { return l.Reason == reason }); i >= 0 {
		t.Left[i].Rows++
		return
	}
	t.Left = append(t.Left, Left{reason, 1, line})
}

// tooMany is the problem of a file with more rows than may be.
func tooMany(line int) *Problem {
	return &Problem{Line: line, Col: 1, What: fmt.Sprintf("more than %d rows", MaxRows), Do: "split the inventory, or export fewer"}
}

// column finds a column by its name, also in other upper and lower case where one alone is meant so; -1 if there is none.
func column(known []string, name string) int {
	if i := slices.Index(known, name); i >= 0 {
		return i
	}
	found := -1
	for i, k := range known {
		if strings.EqualFold(k, name) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}
