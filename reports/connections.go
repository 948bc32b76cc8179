package reports

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// ConnectionFormats are the formats of connection lists, in the order that help shows.
var ConnectionFormats = []string{"table", "json", "csv"}

// Connections writes a list of connections, one at a time. It is not safe for concurrent use.
type Connections struct {
	buf    *bufio.Writer
	line   []byte
	rows   [][]string
	format string
	look   Look
	judged bool
	wrote  int
	err    error
}

// maxTableRows bounds the table format, which holds its rows to lay them out; what lies beyond is counted in the last line. The other formats stream.
const maxTableRows = 10_000

// NewConnections starts a list in a format of ConnectionFormats; judged adds the verdict columns.
func NewConnections(w io.Writer, format string, look Look, judged bool) (*Connections, error) {
	c := &Connections{buf: bufio.NewWriterSize(w, 1<<16), format: format, look: look, judged: judged}
	switch format {
	case "csv":
		head := connColumns
		if judged {
			head += judgedColumns
		}
		_, c.err = c.buf.WriteString(head + "\n")
	case "json", "table":
	default:
		return nil, fmt.Errorf("unknown format %q; use table, json or csv", format)
	}
	return c, nil
}

// Write adds one connection; j is nil where nothing was judged. It keeps neither.
func (c *Connections) Write(f *flow.Conn, j *classify.Judgement) {
	if c.err != nil {
		return
	}
	c.wrote++
	switch c.format {
	case "json":
		c.line = append(appendConn(c.line[:0], f, j), '\n')
		_, c.err = c.buf.Write(c.line)
	case "csv":
		c.line = append(appendConnRow(c.line[:0], f, j), '\n')
		_, c.err = c.buf.Write(c.line)
	case "table":
		if len(c.rows) < maxTableRows || c.look.All {
			c.rows = append(c.rows, tableRow(f, j))
		}
	}
}

// Close ends the list and gives the first error of any write.
func (c *Connections) Close() error {
	if c.format == "table" && c.err == nil {
		c.err = c.table()
	}
	if err := c.buf.Flush(); c.err == nil {
		c.err = err
	}
	if c.err != nil {
		return fmt.Errorf("write connections: %w", c.err)
	}
	return nil
}

func (c *Connections) table() error {
	cols := []column{{title: "id"}, {title: "first (UTC)"}, {title: "proto"}, {title: "originator"}, {title: "responder"}, {title: "outcome"},
		{title: "known by"}, {title: "packets", right: true}, {title: "bytes", right: true}, {title: "seconds", right: true}}
	if c.judged {
		cols = append(cols, column{title: "verdict"}, column{title: "flow"})
	}
	if c.wrote > 0 {
		if err := grid(c.buf, c.look.width(), cols, c.rows); err != nil {
			return err
		}
	}
	if more := c.wrote - len(c.rows); more > 0 {
		fmt.Fprintf(c.buf, "  and %s more: use --all, or --format json or csv\n", number(uint64(more)))
	}
	_, err := fmt.Fprintf(c.buf, "  %s\n", plural(uint64(c.wrote), "connection"))
	return err
}

func tableRow(f *flow.Conn, j *classify.Judgement) []string {
	row := []string{f.ID.String(), strings.Replace(flow.Stamp(f.First)[:len("2026-01-02T03:04:05.000")], "T", " ", 1), f.Proto.String(), endText(f, true), endText(f, false), f.Outcome.String(), f.KnownBy.String(),
		number(f.OrigPackets) + "+" + number(f.RespPackets), number(f.OrigBytes) + "+" + number(f.RespBytes), strconv.FormatFloat(float64(f.Last-f.First)/1e9, 'f', 3, 64)}
	if j != nil {
		row = append(row, j.Verdict, cleanText(j.Flow))
	}
	return row
}

// endText shows an end as address:port; for ICMP the originator carries type and code.
func endText(f *flow.Conn, orig bool) string {
	end := f.Resp
	if orig {
		end = f.Orig
	}
	switch {
	case f.Proto.HasPorts():
		return end.String()
	case f.Proto.IsICMP() && orig:
		return fmt.Sprintf("%s type %d code %d", end.Addr(), f.ICMPType, f.ICMPCode)
	}
	return end.Addr().String()
}
