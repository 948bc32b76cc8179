package rules

import (
	"fmt"
	"strings"
)

// maxAcknowledgements bounds the entries of a file.
const maxAcknowledgements = 1 << 12

// Acknowledgements is one file: findings of which somebody knows, and that are not to be told again for a time. YAML is read as strictly as a site.
type Acknowledgements struct {
	List []*Acknowledgement `yaml:"acknowledgements"`

	SHA256 string `yaml:"-"`
	File   string `yaml:"-"`

	places places
}

// Acknowledgement is of one finding. It ends by itself.
type Acknowledgement struct {
	Finding string `yaml:"finding"` // its id: 16 hex digits
	Until   string `yaml:"until"`   // exclusive
	Who     string `yaml:"who"`     // answers for it
	Text    string `yaml:"text"`
	Pos     Pos    `yaml:"-"`

	end int64
}

// End is Until in ns since 1970 UTC.
func (a *Acknowledgement) End() int64 { return a.end }

// LoadAcknowledgements loads a file of acknowledgements. The result is nil if any problem is an error.
func LoadAcknowledgements(path string) (*Acknowledgements, []Problem) {
	data, problem := readFile(path)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	return LoadAcknowledgementsBytes(path, data)
}

// LoadAcknowledgementsBytes loads acknowledgements from the bytes of the file of that name. The result is nil if any problem is an error.
func LoadAcknowledgementsBytes(file string, data []byte) (*Acknowledgements, []Problem) {
	a := &Acknowledgements{File: file, SHA256: hash(data), places: places{}}
	r := newReader(file, a.places)
	checkable := r.read(data, a)
	problems := r.problems
	if checkable {
		problems = follow(r.problems, checkAcknowledgements(a, checker{file: file, places: a.places}), r.explained)
	}
	if Failed(problems) {
		a = nil
	}
	return a, sortProblems(problems)
}

func checkAcknowledgements(a *Acknowledgements, c checker) []Problem {
	if len(a.List) > maxAcknowledgements {
		c.fail(fmt.Sprintf("%d acknowledgements are more than %d", len(a.List), maxAcknowledgements), "remove those that have ended", a.List[maxAcknowledgements])
		return c.problems
	}
	before := map[string]*Acknowledgement{}
	for _, n := range a.List {
		if len(n.Finding) != 16 || strings.Trim(n.Finding, "0123456789abcdef") != "" {
			c.fail(fmt.Sprintf("%q is no id of a finding", printable(n.Finding)), "write its 16 hex digits, as alerts show them", &n.Finding, n)
		} else if first := before[n.Finding]; first != nil {
			c.fail(fmt.Sprintf("finding %s is acknowledged twice, first at %s", n.Finding, c.places.at(first)), "keep one", &n.Finding, n)
		}
		before[n.Finding] = n
		if n.Until == "" {
			c.fail("an acknowledgement without an end", "add until: 2026-01-31, or a time with its zone", n)
		} else {
			n.end = c.instant(&n.Until, 0)
		}
		if n.Who == "" {
			c.fail("an acknowledgement without a name", "add who: who answers for it", n)
		}
		if n.Text == "" {
			c.fail("an acknowledgement without a text", "add text: why it need not be told again", n)
		}
	}
	return c.problems
}
