package inventory

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// sheet is a CSV file on its way.
type sheet struct {
	*csv.Reader
	above  int   // lines that were taken off before
	fields []int // of Format.Columns; -1 where the file has none
}

// readCSV reads a table of RFC 4180, with the separators and the first line "sep=;" that Excel knows.
func (t *Table) readCSV(text string, f Format) *Problem {
	s, p := t.sheet(text, f)
	if p != nil {
		return p
	}
	return t.rows(s, func([]string) string { return "" })
}

// sheet opens a CSV file and finds the columns.
func (t *Table) sheet(text string, f Format) (*sheet, *Problem) {
	s := &sheet{}
	first, rest, more := strings.Cut(text, "\n")
	if sep, ok := strings.CutPrefix(strings.TrimRight(first, "\r"), "sep="); ok && more {
		if r := []rune(sep); len(r) == 1 && f.Separator == 0 {
			f.Separator = r[0]
		}
		text, s.above = rest, 1
	} else if strings.HasPrefix(first, "#TYPE ") && more { // Windows PowerShell, unless told -NoTypeInformation
		text, s.above = rest, 1
	}
	if f.Separator == 0 {
		f.Separator = separator(text)
	}
	s.Reader = csv.NewReader(strings.NewReader(text))
	s.Comma, s.ReuseRecord = f.Separator, true
	if !validSeparator(f.Separator) {
		return nil, &Problem{What: fmt.Sprintf("%q cannot separate fields", f.Separator), Do: "use a comma, a semicolon, a tab or a bar"}
	}
	if f.NoHeader {
		s.fields = make([]int, len(f.Columns))
		for i, name := range f.Columns {
			s.fields[i] = number(name)
		}
		return s, nil
	}
	record, err := s.Read()
	if err != nil {
		return nil, s.problem(err)
	}
	if len(record) > MaxColumns {
		return nil, &Problem{Line: 1 + s.above, Col: 1, What: fmt.Sprintf("the table has %d columns", len(record)), Do: fmt.Sprintf("an inventory may have at most %d", MaxColumns)}
	}
	for _, name := range record {
		t.Known = append(t.Known, strings.TrimSpace(name))
	}
	for i, name := range f.Columns {
		at := column(t.Known, name)
		if n := number(name); at < 0 && n >= 0 && n < len(t.Known) {
			at = n
		}
		if name == "" {
			at = -1
		} else if at < 0 {
			t.Unknown = append(t.Unknown, i)
		}
		s.fields = append(s.fields, at)
	}
	return s, nil
}

// number is the index of a column that goes by its number, from 1; -1 if it does not.
func number(name string) int {
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= MaxColumns {
		return n - 1
	}
	return -1
}

// separators are those that are recognised, the likeliest first.
const separators = ",;\t|"

// separator is the one of which the first line has most, outside quotes.
func separator(text string) rune {
	counts, quoted := map[rune]int{}, false
	for _, c := range text {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			break
		}
		if !quoted {
			counts[c]++
		}
	}
	best := ','
	for _, c := range separators {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}

func validSeparator(r rune) bool {
	return r != 0 && r != '"' && r != '\r' && r != '\n' && r != '\uFFFD'
}

// rows reads what follows the header. out gives the reason to leave a row out, "" for one that stays.
func (t *Table) rows(s *sheet, out func(record []string) string) *Problem {
	for {
		record, err := s.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.problem(err)
		}
		line, _ := s.FieldPos(0)
		line += s.above
		if len(record) > MaxColumns {
			return &Problem{Line: line, Col: 1, What: fmt.Sprintf("the row has %d fields", len(record)), Do: fmt.Sprintf("an inventory may have at most %d columns", MaxColumns)}
		}
		if t.Read++; t.Read > MaxRows {
			return tooMany(line)
		}
		if blank(record) {
			t.leave("nothing in it", line)
			continue
		}
		if reason := out(record); reason != "" {
			t.leave(reason, line)
			continue
		}
		row := Row{Line: line, Col: 1, Cells: make([]Cell, len(s.fields))}
		for i, at := range s.fields {
			if at < 0 || at >= len(record) {
				row.Cells[i] = Cell{"", line, 1}
				continue
			}
			l, c := s.FieldPos(at)
			row.Cells[i] = Cell{strings.TrimSpace(record[at]), l + s.above, c}
			if len(row.Cells[i].Text) > MaxCell {
				return &Problem{Line: l + s.above, Col: c, What: fmt.Sprintf("a value of %d bytes", len(row.Cells[i].Text)), Do: fmt.Sprintf("write at most %d", MaxCell)}
			}
		}
		t.Rows = append(t.Rows, row)
	}
}

func blank(record []string) bool {
	for _, field := range record {
		if strings.TrimSpace(field) != "" {
			return false
		}
	}
	return true
}

// problem words what encoding/csv could not read.
func (s *sheet) problem(err error) *Problem {
	var at *csv.ParseError
	if !errors.As(err, &at) {
		return &Problem{Line: 1 + s.above, Col: 1, What: "no row: " + err.Error(), Do: "export the inventory again"}
	}
	p := &Problem{Line: at.StartLine + s.above, Col: max(at.Column, 1), What: "not CSV: " + at.Err.Error(), Do: "quote fields that hold separators, line breaks or quotes, and double the quotes in them"}
	if errors.Is(err, csv.ErrFieldCount) {
		p.Col, p.What = 1, "the row has another number of fields than the first"
	}
	return p
}
