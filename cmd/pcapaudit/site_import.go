package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

// importFlags are the flags of site import.
type importFlags struct {
	kind      string
	separator string
	noHeader  bool
	columns   []string
	roles     []string
	output    string
}

// inventoryWords are the kinds of inventories, and mappedWords what a column can be mapped to.
var (
	inventoryWords = rules.InventoryKinds()
	mappedWords    = []string{"address", "name", "names", "os", "roles", "ou"}
)

func siteImportCommand(u *ui) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import --kind KIND [--column WHAT=COLUMN]... [--role RULE]... FILE",
		Short: "Write the hosts of an inventory as a site file: CSV, Ansible, Active Directory, DHCP leases",
		Long: `site import reads a list of hosts that another system keeps, and writes them as a site file that types them, each with the
line that it comes from. A site can also read the list itself each time, and stay current: put what the flags say here under
hosts_from in the site file.

KIND is one of
  csv      a table with the columns that --column maps; the separator is found (comma, semicolon, tab, bar)
  ansible  what ansible-inventory --list prints; columns are variables, ansible_default_ipv4.address one inside another
  ad       what Get-ADComputer -Filter * -Properties IPv4Address,OperatingSystem | Export-Csv writes; disabled accounts are left out
  dhcp     dhcpd.leases of ISC DHCP, kea-leases4.csv and kea-leases6.csv of Kea: the newest lease of an address, unless it was
           released or had expired at the time of the file's newest one; columns are address, hostname, fqdn, hardware, subnet_id

--column maps what a host needs to a column: address (several addresses in a cell, or several columns, are fine), name, names (by
which responders are known), os, roles (written PACK/ROLE), ou (a distinguished name). ansible, ad and dhcp have them mapped.

--role gives roles to the hosts that fit, where * stands for any text:
  column:NAME:VALUE=PACK/ROLE
  group:NAME=PACK/ROLE
  ou:Servers/Backup=PACK/ROLE
  name:bkp-*=PACK/ROLE,PACK/ROLE

Rows of one name are one host. A row with neither address nor name is left out and counted. A value that is no address is an
error with file:line:col. What a DHCP client calls itself is its own word: mind which roles it gets by that.

Exit codes: 0; 2 usage, or an inventory that cannot be read as told; 5 output, also where the file exists.`,
		Example: `  # The servers of a table, with roles by one of its columns.
  pcapaudit site import --kind csv --column address=IP \
    --column name=Hostname --column os=OS \
    --role "column:Function:Backup server=acronis-abr-11.5/management-server" \
    --role "column:Function:Application server=acronis-abr-11.5/agent" \
    testdata/inventories/servers.csv

  # Computers of Active Directory, with roles by the unit that they lie in.
  pcapaudit site import --kind ad \
    --role ou:Servers/Application=acronis-abr-11.5/agent \
    testdata/inventories/computers.csv

  # Hosts of Ansible into a file; who holds which lease.
  pcapaudit site import --kind ansible \
    --role group:application=acronis-abr-11.5/agent \
    -o site.yaml testdata/inventories/ansible.json
  pcapaudit site check site.yaml
  pcapaudit site import --kind dhcp testdata/inventories/dhcpd.leases`,
		Args: exactly(1, "name the inventory"),
		RunE: func(_ *cobra.Command, args []string) error { return u.importHosts(args[0], f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.kind, "kind", "", "`KIND` of the inventory: "+strings.Join(inventoryWords, ", "))
	completeWords(c, "kind", inventoryWords...)
	fl.StringArrayVar(&f.columns, "column", nil, "`WHAT=COLUMN`: which column holds what; repeat for several")
	_ = c.RegisterFlagCompletionFunc("column", completeMapped)
	fl.StringArrayVar(&f.roles, "role", nil, "`RULE` by which hosts get roles; repeat for several")
	_ = c.RegisterFlagCompletionFunc("role", completeRoleRule)
	fl.StringVar(&f.separator, "separator", "", "`CHARACTER` between the fields of csv and ad, or tab (default: found in the first line)")
	fl.BoolVar(&f.noHeader, "no-header", false, "the first line of a csv is a host; columns go by their numbers, from 1")
	fl.StringVarP(&f.output, "output", "o", "-", "write the site to a new `FILE`; - is standard output")
	return c
}

func completeMapped(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	words := make([]string, len(mappedWords))
	for i, w := range mappedWords {
		words[i] = w + "="
	}
	return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

func (u *ui) importHosts(file string, f importFlags) error {
	v, err := f.inventory(file)
	if err != nil {
		return exitError{exitUsage, err}
	}
	imported, problems := rules.Import(v)
	if err := u.report(problems); err != nil {
		return err
	}
	if err := u.writeDraft(f.output, imported.Text); err != nil {
		return err
	}
	fmt.Fprintln(u.err, reports.Clean(inventoryText(v)))
	return nil
}

// inventory is what the flags say, as a site would.
func (f *importFlags) inventory(file string) (*rules.Inventory, error) {
	if f.kind == "" {
		return nil, hint(fmt.Errorf("site import: no kind of inventory"), "add --kind: %s", strings.Join(inventoryWords, ", "))
	}
	if file == "" {
		return nil, hint(fmt.Errorf("site import: no file"), "name the inventory")
	}
	v := &rules.Inventory{File: file, Kind: f.kind, Separator: f.separator, NoHeader: f.noHeader}
	for _, text := range f.columns {
		what, name, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, hint(fmt.Errorf("--column %q", text), "write WHAT=COLUMN; WHAT is one of %s", strings.Join(mappedWords, ", "))
		}
		switch into := map[string]*string{"name": &v.Columns.Name, "names": &v.Columns.Names, "os": &v.Columns.OS, "roles": &v.Columns.Roles, "ou": &v.Columns.OU}[what]; {
		case what == "address":
			v.Columns.Address = append(v.Columns.Address, name)
		case into == nil:
			return nil, hint(fmt.Errorf("--column %q: unknown %q", text, what), "%s", rules.Meant(what, mappedWords))
		case *into != "":
			return nil, hint(fmt.Errorf("--column %s is given twice", what), "only address may have several columns")
		default:
			*into = name
		}
	}
	for _, text := range f.roles {
		r, err := roleRule(text)
		if err != nil {
			return nil, err
		}
		v.Roles = append(v.Roles, r)
	}
	return v, nil
}

// roleRule reads "group:NAME=PACK/ROLE[,PACK/ROLE]". The last "=" ends what is to fit, which may hold others.
func roleRule(text string) (rules.RoleRule, error) {
	advice := "write column:NAME:VALUE=PACK/ROLE, group:NAME=PACK/ROLE, ou:UNIT/UNIT=PACK/ROLE or name:NAME=PACK/ROLE"
	at := strings.LastIndexByte(text, '=')
	by, value, ok := strings.Cut(text[:max(at, 0)], ":")
	if at < 0 || !ok || value == "" {
		return rules.RoleRule{}, hint(fmt.Errorf("--role %q", text), "%s", advice)
	}
	r := rules.RoleRule{Roles: strings.Split(text[at+1:], ",")}
	switch by {
	case "column":
		if r.Column, r.Is, ok = strings.Cut(value, ":"); !ok {
			return r, hint(fmt.Errorf("--role %q does not say which value of %s", text, value), "%s", advice)
		}
	case "group":
		r.Group = value
	case "ou":
		r.OU = value
	case "name":
		r.Name = value
	default:
		return r, hint(fmt.Errorf("--role %q: unknown %q", text, by), "%s", advice)
	}
	return r, nil
}

// inventoryText sums up what a site has from an inventory.
func inventoryText(v *rules.Inventory) string {
	text := fmt.Sprintf("%s (%s): %s of %s", v.Path, v.Kind, plural(v.Hosts, "host"), plural(v.Rows, "row"))
	if v.Typed > 0 {
		text += fmt.Sprintf("; typed in the site, which holds: %d", v.Typed)
	}
	if v.Known > 0 {
		text += fmt.Sprintf("; known from an earlier inventory: %d", v.Known)
	}
	for _, l := range v.Left {
		text += fmt.Sprintf("; left out, %s: %d, first at line %d", l.Reason, l.Rows, l.First.Line)
	}
	return text
}

// inventories prints what a site has from each of its inventories.
func inventories(w io.Writer, site *rules.Site) error {
	for _, v := range site.HostsFrom {
		if _, err := fmt.Fprintf(w, "  %s\n     sha256 %s\n", reports.Clean(inventoryText(v)), v.SHA256); err != nil {
			return err
		}
	}
	return nil
}
