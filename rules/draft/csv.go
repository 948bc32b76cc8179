package draft

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPreamble is how many lines may stand above the header of a CSV file.
const maxPreamble = 20

// csvBlocks reads a CSV file as one table. The separator is the one under which a line among the first has words that stand over columns of ports.
func csvBlocks(text string) ([]block, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the file is empty")
	}
	var t *table
	most := 0
	for _, comma := range []rune{',', ';', '\t'} {
		rows, err := csvRows(text, comma)
		found, score := headed(rows)
		if score <= most {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, most = found, score
	}
	if t == nil {
		return nil, fmt.Errorf("none of the first %d lines of the CSV file is a header with a column of ports", maxPreamble)
	}
	return []block{{kind: tabular, table: t, first: t.first, last: t.last}}, nil
}

// csvRows reads all rows; beyond maxRows it stops with an error, as it does where quotes are wrong.
func csvRows(text string, comma rune) ([]row, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, -1, comma != '\t'
	var rows []row
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, fmt.Errorf("read the CSV file: %w", err)
		}
		if len(rows) >= maxRows {
			return rows, fmt.Errorf("the CSV file has more than %d rows", maxRows)
		}
		first, _ := r.FieldPos(0)
		last, _ := r.FieldPos(len(fields) - 1)
		last += strings.Count(fields[len(fields)-1], "\n")
		if strings.TrimSpace(strings.Join(fields, "")) != "" {
			rows = append(rows, row{cells: fields[:min(len(fields), maxColumns)], first: first, last: last})
		}
	}
}

// headed finds the header of a table among the first rows; score is how many of its columns are known, 0 without a header.
func headed(rows []row) (t *table, score int) {
	for i, r := range rows[:min(len(rows), maxPreamble)] {
		n := 0
		for _, cell := range r.cells {
			if headerOf(cell) != noColumn {
				n++
			}
		}
		if n > score && known(r.cells) {
			t, score = &table{header: r, rows: rows[i+1:], first: r.first, last: rows[len(rows)-1].last}, n
		}
	}
	return t, score
}
