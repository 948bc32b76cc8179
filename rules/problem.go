package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a rule file. Line and Col count from 1; 0 means the whole file.
type Pos struct {
	File      string
	Line, Col int
}

// String gives "file:line:col" as editors understand it.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Severity of a problem. Rules with an error are not used; a warning is printed and kept in the report.
type Severity uint8

const (
	Error Severity = iota
	Warning
)

// Problem is a mistake in a rule file: where, what is wrong, and what to do about it.
type Problem struct {
	Pos      Pos
	Severity Severity
	What, Do string
}

// String gives "file:line:col: what; what to do".
func (p Problem) String() string {
	var b strings.Builder
	if pos := p.Pos.String(); pos != "" {
		b.WriteString(pos + ": ")
	}
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.What)
	if p.Do != "" {
		b.WriteString("; " + p.Do)
	}
	return b.String()
}

// Failed says whether any problem is an error.
func Failed(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// maxProblems bounds what one load reports; a file that is wrong everywhere is wrong in one way.
const maxProblems = 200

// sortProblems orders by place and drops repetitions and what exceeds maxProblems.
func sortProblems(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.What, b.What))
	})
	problems = slices.Compact(problems)
	if extra := len(problems) - maxProblems; extra > 0 {
		failed := Failed(problems)
		problems = append(problems[:maxProblems:maxProblems], Problem{Pos: Pos{File: problems[0].Pos.File},
			What: fmt.Sprintf("%d more problems are not shown", extra), Do: "correct these first"})
		if !failed {
			problems[maxProblems].Severity = Warning
		}
	}
	return problems
}

// follow joins the mistakes in form with those in meaning, without what the former explain: what is wrong or missing at the same places, and warnings.
func follow(form, meaning []Problem, explained map[Pos]bool) []Problem {
	for _, p := range form {
		explained[p.Pos] = true
	}
	failed := Failed(form)
	for _, p := range meaning {
		if !explained[p.Pos] && !(failed && p.Severity == Warning) {
			form = append(form, p)
		}
	}
	return form
}

// places remembers where each value of a file stands, by pointer to the value in the loaded structure.
type places map[any]Pos

// at is the place of the first value that has one.
func (p places) at(values ...any) Pos {
	for _, v := range values {
		if pos, ok := p[v]; ok {
			return pos
		}
	}
	return Pos{}
}

// checker collects the problems of one file.
type checker struct {
	file     string
	places   places
	problems []Problem
}

func (c *checker) add(severity Severity, what, do string, at []any) {
	pos := c.places.at(at...)
	if pos == (Pos{}) {
		pos.File = c.file
	}
	c.problems = append(c.problems, Problem{pos, severity, what, do})
}

// fail reports an error at the first of the values that stands in the file.
func (c *checker) fail(what, do string, at ...any) { c.add(Error, what, do, at) }

func (c *checker) warn(what, do string, at ...any) { c.add(Warning, what, do, at) }

// maxNearest bounds the names among which a nearest one is sought.
const maxNearest = 4096

// nearest is the name most like the given one, capitals or not: the only one that begins with it, else one within a slip of the hand; "" if there is none.
func nearest(name string, names []string) string {
	if len(names) > maxNearest || len(name) > 128 {
		return ""
	}
	name = strings.ToLower(name)
	begins := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(strings.ToLower(n), name) })
	if len(begins) == 1 && len(name) > 2 {
		return begins[0]
	}
	best, distance := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := levenshtein(name, strings.ToLower(n), distance); d < distance && d < max(len(name), len(n)) { // no letter in common is no slip
			best, distance = n, d
		}
	}
	return best
}

// levenshtein is the edit distance of two strings, or limit if it is not below it.
func levenshtein(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, corner+1)
		}
	}
	return min(row[len(b)], limit)
}

func abs(n int) int { return max(n, -n) }

// meant is the advice for an unknown name: the nearest one, or the list if it is short.
func meant(name string, names []string) string {
	if n := nearest(name, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(names) == 0 {
		return "none is declared"
	}
	if len(names) > 24 {
		return fmt.Sprintf("none of the %d known names is near", len(names))
	}
	return "known: " + strings.Join(names, ", ")
}
