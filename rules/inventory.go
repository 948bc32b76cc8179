package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"pcapaudit/rules/inventory"
)

// Limits of inventories.
const (
	MaxInventory      = inventory.MaxFile // bytes of one
	maxInventories    = 16                // files of one site
	maxInventoryHosts = 1 << 16           // hosts of all of them
	maxHostAddresses  = 64                // of one host
	maxHostNames      = 256               // of one host; as many roles
)

// InventoryKinds are the words for kinds of inventories.
func InventoryKinds() []string { return inventory.Kinds() }

// Inventory is a file from which a site has hosts. Hosts that are typed in the site win over it, and have from it only addresses where they are typed without and an operating system
// where that is open; where two inventories know one host by its name, the first wins and the second
// adds what the first leaves open.
type Inventory struct {
	File      string     `yaml:"file"`      // relative to the folder of the site file
	Kind      string     `yaml:"kind"`      // csv, ansible, ad, dhcp
	Separator string     `yaml:"separator"` // of csv and ad: one character, or "tab"; "" is found in the first line
	NoHeader  bool       `yaml:"no_header"` // csv: the first line is a host; columns go by numbers from 1
	Columns   Columns    `yaml:"columns"`
	Roles     []RoleRule `yaml:"roles"`
	Pos       Pos        `yaml:"-"`

	Path   string     `yaml:"-"` // as it was read: File, from where the site file lies
	SHA256 string     `yaml:"-"`
	Size   int64      `yaml:"-"` // bytes
	Rows   int        `yaml:"-"` // also those left out
	Hosts  int        `yaml:"-"` // that the site has from it alone
	Typed  int        `yaml:"-"` // that the site types, which wins
	Known  int        `yaml:"-"` // that an earlier inventory has
	Left   []LeftRows `yaml:"-"` // rows that are no hosts, by reason
}

// Columns says which column of an inventory, or variable of an Ansible host, holds what. Left out are those that the kind implies.
type Columns struct {
	Address ColumnNames `yaml:"address"` // cells may hold several addresses
	Name    string      `yaml:"name"`
	Names   string      `yaml:"names"` // names by which responders are known
	OS      string      `yaml:"os"`
	Roles   string      `yaml:"roles"` // PACK/ROLE, as they are
	OU      string      `yaml:"ou"`    // a distinguished name
}

// ColumnNames are names of columns, in YAML a list or one of them.
type ColumnNames []string

// RoleRule gives roles to the hosts that it fits: all that it states must hold. "*" stands for any text, and upper and lower case are the same.
type RoleRule struct {
	Column string   `yaml:"column"` // whose value is to be Is
	Is     string   `yaml:"is"`
	Group  string   `yaml:"group"` // of Ansible, also one around the host's own
	OU     string   `yaml:"ou"`    // "Servers/Backup": units, each in the one before; the host may lie in further ones around and below
	Name   string   `yaml:"name"`  // of the host
	Roles  []string `yaml:"roles"`

	met bool
	at  int // of Column in the table
}

// LeftRows counts rows of an inventory.
type LeftRows struct {
	Reason string
	Rows   int
	First  Pos
}

// listing is what the inventories of a site list, also where the site's own word holds.
type listing struct {
	hosts     map[*Host]Pos
	addresses map[netip.Addr]bool
}

// Listed says whether an inventory of the site lists a host, and where it does first.
func (s *Site) Listed(h *Host) (Pos, bool) {
	pos, ok := s.listed.hosts[h]
	return pos, ok
}

// ListsAddress says whether an inventory of the site lists an address.
func (s *Site) ListsAddress(a netip.Addr) bool { return s.listed.addresses[a] }

// HasAddress says whether an entry of the host covers an address, at any time.
func (h *Host) HasAddress(a netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(e AddrEntry) bool { return e.span.contains(a) })
}

// columnsOf are the columns that a kind of file has where nothing else is said.
var columnsOf = map[string]Columns{
	string(inventory.Ansible): {Address: ColumnNames{"ansible_host"}, Name: "inventory_hostname"},
	string(inventory.AD):      {Address: ColumnNames{"IPv4Address", "IPv6Address"}, Name: "Name", Names: "DNSHostName", OS: "OperatingSystem", OU: "DistinguishedName"},
	string(inventory.DHCP):    {Address: ColumnNames{"address"}, Name: "hostname", Names: "fqdn"},
}

// errNoFiles says that a site was not loaded from where its inventories lie.
var errNoFiles = errors.New("the site was not loaded from a file")

// importer reads the inventories of one site.
type importer struct {
	checker
	site    *Site
	read    func(path string) ([]byte, error)
	byName  map[string]*Host     // by name and names in lower case
	byAddr  map[netip.Addr]*Host // by single addresses
	source  map[*Host]*Inventory // of hosts that are not typed
	unnamed map[*Host]bool       // hosts that go by a name made of an address
	hosts   int
	vouch   int // hosts of earlier inventories with an address because a lease has their name
	slab    []Host
}

// importHosts adds the hosts of the inventories to those that are typed.
func importHosts(s *Site, c checker, read func(path string) ([]byte, error)) []Problem {
	if len(s.HostsFrom) == 0 {
		return nil
	}
	m := &importer{checker: c, site: s, read: read, byName: map[string]*Host{}, source: map[*Host]*Inventory{}, byAddr: map[netip.Addr]*Host{}, unnamed: map[*Host]bool{}}
	s.listed = listing{map[*Host]Pos{}, map[netip.Addr]bool{}}
	for _, h := range s.Hosts {
		m.known(h)
		for i := range h.Addresses {
			if r, what, _ := parseAddresses(h.Addresses[i].Address); what == "" && r.single() {
				m.byAddr[r.first] = h
			}
		}
	}
	if len(s.HostsFrom) > maxInventories {
		m.fail(fmt.Sprintf("%d inventories", len(s.HostsFrom)), fmt.Sprintf("a site may have at most %d", maxInventories), &s.HostsFrom)
		return m.problems
	}
	files := map[string]*Inventory{}
	for _, v := range s.HostsFrom {
		if before := files[v.File]; before != nil {
			m.fail(fmt.Sprintf("the inventory %s is given twice, first at %s", v.File, before.Pos), "keep one", &v.File, v)
			continue
		}
		files[v.File] = v
		m.inventory(v)
	}
	return m.problems
}

// known indexes a host by its names.
func (m *importer) known(h *Host) {
	for _, name := range append([]string{h.Name}, h.Names...) {
		if name = strings.ToLower(name); name != "" && m.byName[name] == nil {
			m.byName[name] = h
		}
	}
}

// inventory reads one file and takes its hosts over.
func (m *importer) inventory(v *Inventory) {
	before := len(m.problems)
	format := m.format(v)
	m.rules(v)
	if len(m.problems) > before {
		return
	}
	v.Path = v.File
	if !filepath.IsAbs(v.File) {
		v.Path = filepath.Join(filepath.Dir(m.file), v.File)
	}
	data, err := m.load(v.Path)
	if err != nil {
		do := "correct the path"
		if m.file != "" {
			do += ", which starts from the folder of the site file"
		}
		m.fail(fmt.Sprintf("cannot read the inventory %s: %v", v.Path, err), do, &v.File, v)
		return
	}
	v.SHA256, v.Size = hash(data), int64(len(data))
	table, problem := inventory.Read(data, format)
	if problem != nil {
		m.problems = append(m.problems, Problem{Pos: Pos{v.Path, problem.Line, problem.Col}, What: problem.What, Do: problem.Do})
		return
	}
	m.take(v, table, format)
}

func (m *importer) load(path string) ([]byte, error) {
	if m.read == nil {
		return nil, errNoFiles
	}
	return m.read(path)
}

// format checks how the file is to be read. Columns of the format are those of the mapping in the order of fieldNames, then those of rules.
func (m *importer) format(v *Inventory) inventory.Format {
	f := inventory.Format{Kind: inventory.Kind(v.Kind), NoHeader: v.NoHeader}
	if v.File == "" {
		m.fail("an inventory without a file", "add file", v)
	}
	if m.oneOf("kind", &v.Kind, v, inventory.Kinds()...); v.Kind == "" {
		return f
	}
	table := v.Kind == string(inventory.CSV) || v.Kind == string(inventory.AD)
	switch r, n := utf8.DecodeRuneInString(v.Separator); {
	case v.Separator == "":
	case !table:
		m.fail("only csv and ad have a separator", "remove it", &v.Separator, v)
	case v.Separator == "tab":
		f.Separator = '\t'
	case n != len(v.Separator):
		m.fail(fmt.Sprintf("separator is %q", v.Separator), "write one character, or tab", &v.Separator, v)
	default:
		f.Separator = r
	}
	if v.NoHeader && v.Kind != string(inventory.CSV) {
		m.fail("only csv may have no header", "remove no_header", v)
	}
	c := v.columns()
	if len(c.Address) == 0 && c.Names == "" {
		m.fail("no column with addresses", "say which: columns: {address: NAME} in a site file, --column address=NAME on a command line; or names", &v.Columns, v)
	}
	if len(c.Address) > maxHostAddresses {
		m.fail(fmt.Sprintf("%d columns with addresses", len(c.Address)), fmt.Sprintf("name at most %d", maxHostAddresses), &v.Columns, v)
	}
	f.Columns = append([]string{c.Name, c.Names, c.OS, c.Roles, c.OU}, c.Address...)
	for i := range v.Roles {
		if r := &v.Roles[i]; r.Column != "" {
			if r.at = slices.Index(f.Columns, r.Column); r.at < 0 {
				r.at, f.Columns = len(f.Columns), append(f.Columns, r.Column)
			}
		}
	}
	return f
}

// Places of the mapped columns in inventory.Format.Columns; the addresses follow.
const (
	nameField = iota
	namesField
	osField
	rolesField
	ouField
	addressField
)

// columns are those stated and those that the kind implies.
func (v *Inventory) columns() Columns {
	c, implied := v.Columns, columnsOf[v.Kind]
	if len(c.Address) == 0 {
		c.Address = implied.Address
	}
	for _, f := range []struct{ stated, implied *string }{{&c.Name, &implied.Name}, {&c.Names, &implied.Names}, {&c.OS, &implied.OS}, {&c.OU, &implied.OU}} {
		if *f.stated == "" {
			*f.stated = *f.implied
		}
	}
	return c
}

// absent reports columns that are asked for and that the file does not have; of those that the kind implies one with addresses or names is enough.
func (m *importer) absent(v *Inventory, t *inventory.Table, f inventory.Format) bool {
	before := len(m.problems)
	missing := map[int]bool{}
	for _, i := range t.Unknown {
		missing[i] = true
		name := f.Columns[i]
		if name == "" || !v.states(name) || v.Kind == string(inventory.Ansible) {
			continue
		}
		m.fail(fmt.Sprintf("%s has no column %q", v.Path, name), meant(name, t.Known), &v.Columns, v)
	}
	some := !missing[namesField] && f.Columns[namesField] != ""
	for i := range v.columns().Address {
		some = some || !missing[addressField+i]
	}
	if !some && len(m.problems) == before && v.Kind != string(inventory.Ansible) {
		m.fail(fmt.Sprintf("%s has no column with addresses: none of %s", v.Path, strings.Join(v.columns().Address, ", ")), "export it, or say which other: columns: {address: NAME} in a site file, --column address=NAME on a command line", v)
	}
	return len(m.problems) > before
}

// states says whether the site itself names a column.
func (v *Inventory) states(name string) bool {
	c := v.Columns
	return slices.Contains(append([]string{c.Name, c.Names, c.OS, c.Roles, c.OU}, c.Address...), name) || slices.ContainsFunc(v.Roles, func(r RoleRule) bool { return r.Column == name })
}
