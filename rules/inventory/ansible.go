package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxMemberships bounds hosts times groups, and maxSteps the steps from groups to those around them.
const (
	maxMemberships = 1 << 20
	maxSteps       = 1 << 24
)

// hostName is the name of the column that every host of Ansible has: its name in the inventory.
const hostName = "inventory_hostname"

// playbook is an Ansible inventory on its way. Hosts are those with variables, and those that only groups name, in the order of the file.
type playbook struct {
	*json.Decoder
	text     string
	at, line int // offset up to which lines were counted, and the number of the line there
	start    int // offset where that line begins
	table    *Table
	columns  []string
	wanted   map[string][]inner // by the name of a variable
	steps    int
	nested   map[[2]string]bool  // child and group
	byName   map[string]int      // of rows
	groups   map[string][]string // that a host is in itself
	parents  map[string][]string // of groups
}

// inner is a column that a variable holds: itself, or what lies inside it.
type inner struct {
	column int
	path   []string
}

// wantedIn lists the columns by the variables that may hold them: a.b is the variable a.b, or b inside a.
func wantedIn(columns []string) map[string][]inner {
	list := map[string][]inner{}
	for i, name := range columns {
		words := strings.Split(name, ".")
		for n := 1; n <= len(words) && name != ""; n++ {
			v := strings.Join(words[:n], ".")
			list[v] = append(list[v], inner{i, words[n:]})
		}
	}
	return list
}

// errStop ends reading after a problem of our own.
var errStop = errors.New("stop")

// readAnsible reads the JSON of inventories: groups with their hosts and children, hosts with their variables under _meta.
func (t *Table) readAnsible(text string, f Format) (problem *Problem) {
	a := &playbook{Decoder: json.NewDecoder(strings.NewReader(text)), text: text, line: 1, table: t, columns: f.Columns, wanted: wantedIn(f.Columns), nested: map[[2]string]bool{}, byName: map[string]int{}, groups: map[string][]string{}, parents: map[string][]string{}}
	t.Known = []string{hostName}
	seen := map[string]bool{hostName: true}
	err := a.object(func(key string) error {
		if key == "_meta" {
			return a.object(func(key string) error {
				if key != "hostvars" {
					return a.skip()
				}
				return a.object(func(host string) error { return a.variables(host, seen, &problem) })
			})
		}
		return a.group(key, &problem)
	})
	if err == nil {
		if _, err = a.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("something follows the inventory")
		}
	}
	switch {
	case problem != nil:
		return problem
	case err != nil:
		line, col := a.place(int(a.InputOffset()))
		return &Problem{line, col, "not the JSON of an Ansible inventory: " + shortened(err.Error()), "write it with ansible-inventory --list"}
	}
	for i, name := range f.Columns {
		if top, _, _ := strings.Cut(name, "."); name != "" && !seen[name] && !seen[top] {
			t.Unknown = append(t.Unknown, i)
		}
	}
	return a.ancestors()
}

func shortened(s string) string { return s[:min(len(s), 200)] }

// place is the line and the column of an offset, which must not lie before those asked for earlier.
func (a *playbook) place(offset int) (line, col int) {
	end := max(a.at, min(offset, len(a.text)))
	for {
		n := strings.IndexByte(a.text[a.at:end], '\n')
		if n < 0 {
			break
		}
		a.line, a.at = a.line+1, a.at+n+1
		a.start = a.at
	}
	a.at = end
	return a.line, max(1, offset-a.start+1)
}

// object calls f at the value of each key.
func (a *playbook) object(f func(key string) error) error {
	if err := a.open('{'); err != nil {
		return err
	}
	for a.More() {
		token, err := a.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if err := f(key); err != nil {
			return err
		}
	}
	_, err := a.Token()
	return err
}

func (a *playbook) open(want json.Delim) error {
	token, err := a.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%.80v stands where %s should", token, want)
	}
	return err
}

func (a *playbook) skip() error {
	var any json.RawMessage
	return a.Decode(&any)
}

// names reads a list of names.
func (a *playbook) names(f func(name string) error) error {
	if err := a.open('['); err != nil {
		return err
	}
	for a.More() {
		token, err := a.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("%.80v is no name", token)
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := a.Token()
	return err
}

// row is the row of a host, which it may make.
func (a *playbook) row(host string, problem **Problem) (*Row, error) {
	if i, ok := a.byName[host]; ok {
		return &a.table.Rows[i], nil
	}
	// The decoder stands behind the name, whose text may be longer than the name by its escapes.
	line, col := a.place(max(a.at, int(a.InputOffset())-len(host)-2))
	a.table.Read++
	switch {
	case a.table.Read > MaxRows:
		*problem = tooMany(line)
	case len(host) > MaxCell:
		*problem = &Problem{line, col, fmt.Sprintf("a name of %d bytes", len(host)), fmt.Sprintf("write at most %d", MaxCell)}
	}
	if *problem != nil {
		return nil, errStop
	}
	row := Row{Line: line, Col: col, Cells: make([]Cell, len(a.columns))}
	for i, name := range a.columns {
		row.Cells[i] = Cell{"", line, col}
		if name == hostName {
			row.Cells[i].Text = strings.TrimSpace(host)
		}
	}
	a.byName[host] = len(a.table.Rows)
	a.table.Rows = append(a.table.Rows, row)
	return &a.table.Rows[len(a.table.Rows)-1], nil
}

// variables reads those of a host that are wanted.
func (a *playbook) variables(host string, seen map[string]bool, problem **Problem) error {
	row, err := a.row(host, problem)
	if err != nil {
		return err
	}
	return a.object(func(name string) error {
		line, col := a.place(max(a.at, int(a.InputOffset())-len(name)-2))
		if !seen[name] && len(seen) < MaxColumns {
			seen[name] = true
			a.table.Known = append(a.table.Known, name)
		}
		into := a.wanted[name]
		if len(into) == 0 {
			return a.skip()
		}
		var value any
		a.UseNumber()
		if err := a.Decode(&value); err != nil {
			return err
		}
		for _, c := range into {
			text := plain(inside(value, c.path), true)
			if text == "" && len(c.path) > 0 {
				continue
			}
			row.Cells[c.column] = Cell{strings.TrimSpace(text), line, col}
			if len(text) > MaxCell {
				*problem = &Problem{line, col, fmt.Sprintf("a value of %d bytes", len(text)), fmt.Sprintf("write at most %d", MaxCell)}
				return errStop
			}
		}
		return nil
	})
}

// inside follows a path of keys.
func inside(value any, path []string) any {
	for _, key := range path {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	return value
}

// plain is a value as text: of a list its words, with commas; of anything else that is no single value nothing.
func plain(value any, lists bool) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	case []any:
		var words []string
		for _, x := range v {
			if s := plain(x, false); lists && s != "" {
				words = append(words, s)
			}
		}
		return strings.Join(words, ",")
	}
	return ""
}

// group reads a group: hosts, children, and variables that are not looked at; or, in scripts of long ago, a list of hosts alone.
func (a *playbook) group(name string, problem **Problem) error {
	member := func(host string) error {
		if _, err := a.row(host, problem); err != nil {
			return err
		}
		a.groups[host] = append(a.groups[host], name)
		return nil
	}
	rest := strings.TrimLeft(a.text[min(int(a.InputOffset()), len(a.text)):], " \t\r\n:")
	if strings.HasPrefix(rest, "[") {
		return a.names(member)
	}
	return a.object(func(key string) error {
		switch key {
		case "hosts":
			return a.names(member)
		case "children":
			return a.names(func(child string) error {
				if edge := [2]string{child, name}; !a.nested[edge] {
					a.nested[edge] = true
					a.parents[child] = append(a.parents[child], name)
				}
				return nil
			})
		}
		return a.skip()
	})
}

// tooNested is the problem of groups within groups without measure.
var tooNested = &Problem{What: fmt.Sprintf("more than %d memberships in groups, or groups within groups without measure", maxMemberships), Do: "export fewer hosts or groups"}

// ancestors gives every host its groups and those around them.
func (a *playbook) ancestors() *Problem {
	total := 0
	above := map[string][]string{}
	for host, i := range a.byName {
		set := map[string]bool{}
		for _, g := range a.groups[host] {
			list, known := above[g]
			if !known {
				list = a.around(g)
				above[g] = list
				total += len(list)
			}
			a.steps += len(list)
			for _, name := range list {
				set[name] = true
			}
			if total > maxMemberships || a.steps > maxSteps {
				return tooNested
			}
		}
		list := make([]string, 0, len(set))
		for name := range set {
			list = append(list, name)
		}
		slices.Sort(list)
		a.table.Rows[i].Groups = list
		if total += len(list); total > maxMemberships {
			return tooNested
		}
	}
	return nil
}

// around is a group and all those that hold it, whatever rings they form.
func (a *playbook) around(group string) []string {
	list, seen := []string{group}, map[string]bool{group: true}
	for i := 0; i < len(list) && a.steps <= maxSteps; i++ {
		a.steps += 1 + len(a.parents[list[i]])
		for _, p := range a.parents[list[i]] {
			if !seen[p] {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	return list
}
