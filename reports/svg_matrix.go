package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/classify"
)

// Geometry of the matrix, and what it has room for.
const (
	matrixCell  = 52
	matrixLeft  = 190
	matrixTop   = 140
	matrixRoles = 20  // rows, and columns; further roles are one
	matrixRows  = 300 // of the table
	cellNames   = 6   // services that a cell names
)

const otherRoles = "other roles"

// matrixChart shows who opened what to whom: a row a role that originates, a column a role that responds.
type matrixChart struct {
	Width, Height coord
	Rows, Columns []matrixAxis
	Cells         []matrixCellView
	Verdicts      []string // that occur, worst first
	Table         []classify.MatrixCell
	More          int // lines that the table leaves out
	Folded        int // roles that stand as one
	Summary       string
}

type matrixAxis struct {
	Name, Role, Pack string
	X, Y, PackY      coord // of the texts
	Line             coord // of the grid line before it
}

type matrixCellView struct {
	X, Y    coord
	Size    coord
	Verdict string // the worst
	Mark    chartMark
	TextX   coord
	TextY   coord
	Count   string
	Title   string
}

// worst orders verdicts for a reader, the worst first.
var worst = []string{"unexpected", "deviation", "indeterminate", "excepted", "documented"}

func verdictRank(v string) int {
	if i := slices.Index(worst, v); i >= 0 {
		return i
	}
	return len(worst)
}

// newMatrixChart is nil where there is nothing to show.
func newMatrixChart(cells []classify.MatrixCell) *matrixChart {
	if len(cells) == 0 {
		return nil
	}
	c := &matrixChart{}
	rows, foldedRows := topRoles(cells, func(m *classify.MatrixCell) string { return m.From })
	columns, foldedColumns := topRoles(cells, func(m *classify.MatrixCell) string { return m.To })
	c.Folded = foldedRows + foldedColumns
	c.Width, c.Height = coord(matrixLeft+matrixCell*len(columns)+100), coord(matrixTop+matrixCell*len(rows)+6)
	for i, r := range rows {
		c.Rows = append(c.Rows, axis(r, matrixLeft-10, coord(matrixTop+matrixCell*i+matrixCell/2), coord(matrixTop+matrixCell*i)))
	}
	for i, r := range columns {
		c.Columns = append(c.Columns, axis(r, coord(matrixLeft+matrixCell*i+matrixCell/2), matrixTop-12, coord(matrixLeft+matrixCell*i)))
	}
	c.place(cells, rows, columns)
	c.Table = slices.Clone(cells)
	slices.SortStableFunc(c.Table, func(x, y classify.MatrixCell) int { return cmp.Compare(verdictRank(x.Verdict), verdictRank(y.Verdict)) })
	c.Table, c.More = cut(c.Table, matrixRows)
	return c
}

func axis(role string, x, y, line coord) matrixAxis {
	pack, name, qualified := strings.Cut(role, "/")
	if !qualified {
		pack, name = "", role
	}
	return matrixAxis{Name: role, Role: label(name, 22), Pack: label(pack, 26), X: x, Y: y, PackY: y + 14, Line: line}
}

// topRoles are the roles with the worst verdicts, then the most connections, in the order of their names; the others are folded.
func topRoles(cells []classify.MatrixCell, of func(*classify.MatrixCell) string) (kept []string, folded int) {
	type weight struct {
		name        string
		rank        int
		connections uint64
	}
	byName := map[string]*weight{}
	for i := range cells {
		w := byName[of(&cells[i])]
		if w == nil {
			w = &weight{name: of(&cells[i]), rank: len(worst)}
			byName[w.name] = w
		}
		w.rank = min(w.rank, verdictRank(cells[i].Verdict))
		w.connections += cells[i].Connections
	}
	var list []*weight
	for _, w := range byName {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *weight) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.connections, a.connections), cmp.Compare(a.name, b.name))
	})
	list, folded = cut(list, matrixRoles)
	for _, w := range list {
		kept = append(kept, w.name)
	}
	slices.SortFunc(kept, compareRoles)
	if folded > 0 {
		kept = append(kept, otherRoles)
	}
	return kept, folded
}

// compareRoles puts roles of packs before words such as internet.
func compareRoles(a, b string) int {
	plain := func(s string) int { return map[bool]int{true: 0, false: 1}[strings.Contains(s, "/")] }
	return cmp.Or(cmp.Compare(plain(a), plain(b)), cmp.Compare(a, b))
}

// place sums the cells and puts them on the grid.
func (c *matrixChart) place(cells []classify.MatrixCell, rows, columns []string) {
	type at struct{ row, column int }
	sums := map[at][]classify.MatrixCell{}
	find := func(list []string, name string) int {
		if i := slices.Index(list, name); i >= 0 {
			return i
		}
		return len(list) - 1
	}
	for _, m := range cells {
		k := at{find(rows, m.From), find(columns, m.To)}
		sums[k] = append(sums[k], m)
		if !slices.Contains(c.Verdicts, m.Verdict) {
			c.Verdicts = append(c.Verdicts, m.Verdict)
		}
	}
	slices.SortFunc(c.Verdicts, func(a, b string) int { return cmp.Compare(verdictRank(a), verdictRank(b)) })
	doubtful := 0
	for row := range rows {
		for column := range columns {
			list := sums[at{row, column}]
			if len(list) == 0 {
				continue
			}
			slices.SortStableFunc(list, func(a, b classify.MatrixCell) int {
				return cmp.Or(cmp.Compare(verdictRank(a.Verdict), verdictRank(b.Verdict)), cmp.Compare(b.Connections, a.Connections))
			})
			if verdictRank(list[0].Verdict) < verdictRank("excepted") {
				doubtful++
			}
			c.Cells = append(c.Cells, newMatrixCell(row, column, rows[row]+" to "+columns[column], list))
		}
	}
	c.Summary = fmt.Sprintf("%s by %s; %s of roles joined by traffic, %d of them with something other than documented or excepted traffic.", plural(uint64(len(rows)), "originating role"),
		plural(uint64(len(columns)), "responding role"), plural(uint64(len(c.Cells)), "pair"), doubtful)
}

func newMatrixCell(row, column int, between string, list []classify.MatrixCell) matrixCellView {
	x, y := coord(matrixLeft+matrixCell*column), coord(matrixTop+matrixCell*row)
	v := matrixCellView{X: x + 2, Y: y + 2, Size: matrixCell - 4, Verdict: list[0].Verdict, Mark: chartMark{list[0].Verdict, x + matrixCell/2, y + 18}, TextX: x + matrixCell/2, TextY: y + 41}
	var total uint64
	parts := []string{}
	for i, m := range list {
		total += m.Connections
		if i < cellNames {
			parts = append(parts, fmt.Sprintf("%s %s %s", m.Verdict, m.Service, number(m.Connections)))
		}
	}
	if len(list) > cellNames {
		parts = append(parts, fmt.Sprintf("%d more", len(list)-cellNames))
	}
	v.Count = brief(total)
	v.Title = fmt.Sprintf("%s: %s: %s", between, plural(total, "connection"), strings.Join(parts, "; "))
	return v
}
