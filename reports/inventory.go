package reports

import (
	"fmt"

	"pcapaudit/classify"
)

// inventoryHead is the heading of what was seen of the hosts that inventories list.
const inventoryHead = "Inventories and who was seen"

// inventoryLines sum up what was seen of the hosts of the inventories.
func inventoryLines(v *classify.Inventory) []string {
	unseen, most := len(v.Unseen)+v.MoreUnseen, ""
	if v.MoreUnseen > 0 && v.Seen+unseen > v.Hosts {
		most = "at most "
	}
	lines := []string{fmt.Sprintf("%s listed by the site's inventories: %s seen to send something, %s%s not seen in this capture.", plural(uint64(v.Hosts), "host"), number(uint64(v.Seen)), most, number(uint64(unseen)))}
	if v.Doubt != "" && unseen > 0 {
		lines = append(lines, "Not to be seen proves little here: "+Clean(v.Doubt)+".")
	}
	unlisted := "No address inside the site's networks was seen that is neither in an inventory nor typed in the site."
	if n := len(v.Unlisted) + v.MoreUnlisted; n > 0 {
		unlisted = fmt.Sprintf("Inside the site's networks, and neither in an inventory nor typed in the site: %s that sent something.", addresses(n))
	}
	if v.Unkept > 0 {
		unlisted += fmt.Sprintf(" There was no room to remember further ones, of %s.", plural(v.Unkept, "connection"))
	}
	return append(lines, unlisted)
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return number(uint64(n)) + " addresses"
}

func (p *page) inventory(a *classify.Audit) {
	v := a.Inventory
	if v == nil {
		return
	}
	p.head(inventoryHead)
	for _, l := range inventoryLines(v) {
		p.para(2, "", l)
	}
	var rows [][]string
	for i, h := range v.Unseen {
		if i == foldRows && !p.look.All {
			break
		}
		rows = append(rows, []string{cleanText(h.Host), cleanText(h.Listed), cleanText(h.Reason)})
	}
	if len(rows) > 0 {
		p.grid([]column{{title: "host"}, {title: "listed at"}, {title: "in this capture", flex: true}}, rows)
	}
	p.further(len(v.Unseen)-len(rows), v.MoreUnseen, "more host")
	rows = nil
	for i, u := range v.Unlisted {
		if i == foldRows && !p.look.All {
			break
		}
		rows = append(rows, []string{cleanText(u.Address), number(u.Connections)})
	}
	if len(rows) > 0 {
		p.grid([]column{{title: "in no inventory"}, {title: "connections", right: true}}, rows)
	}
	p.further(len(v.Unlisted)-len(rows), v.MoreUnlisted, "more line")
}

// further says how many rows are folded, and how many the audit counts and does not name.
func (p *page) further(folded, unnamed int, noun string) {
	if folded > 0 {
		p.line("  and %s (see --all)", plural(uint64(folded), noun))
	}
	if unnamed > 0 {
		p.line("  and %s that the audit counts and does not name", number(uint64(unnamed)))
	}
}

func (t *ticket) inventory(a *classify.Audit) {
	v := a.Inventory
	if v == nil {
		return
	}
	t.head(inventoryHead)
	t.list(inventoryLines(v), false)
	var rows [][]string
	for _, h := range v.Unseen[:min(len(v.Unseen), ticketRows)] {
		rows = append(rows, []string{escapeMarkdown(cleanText(h.Host)), markdownCode(h.Listed), escapeMarkdown(cleanText(h.Reason))})
	}
	if len(rows) > 0 {
		t.line("")
		t.table([]string{"host", "listed at", "in this capture"}, rows, len(v.Unseen)+v.MoreUnseen, t.most.table, "host")
	}
	rows = nil
	for _, u := range v.Unlisted[:min(len(v.Unlisted), ticketRows)] {
		rows = append(rows, []string{markdownCode(u.Address), number(u.Connections)})
	}
	if len(rows) > 0 {
		t.line("")
		t.table([]string{"in no inventory", "connections"}, rows, len(v.Unlisted)+v.MoreUnlisted, t.most.table, "line")
	}
}

// inventoryView is what the page shows of inventories; lists are cut.
type inventoryView struct {
	Lines        []string
	Unseen       []classify.UnseenHost
	MoreUnseen   int
	Unlisted     []classify.UnlistedAddress
	MoreUnlisted int
}

func newInventoryView(v *classify.Inventory) *inventoryView {
	if v == nil {
		return nil
	}
	out := &inventoryView{Lines: inventoryLines(v)}
	out.Unseen, out.MoreUnseen = cut(v.Unseen, htmlRows)
	out.Unlisted, out.MoreUnlisted = cut(v.Unlisted, htmlRows)
	out.MoreUnseen, out.MoreUnlisted = out.MoreUnseen+v.MoreUnseen, out.MoreUnlisted+v.MoreUnlisted
	return out
}

// inventoryFile says what a site has from an inventory.
func inventoryFile(v *classify.InventoryRef) string {
	text := fmt.Sprintf("%s, %s bytes, %s of %s", cleanText(v.Kind), number(uint64(max(v.Size, 0))), plural(uint64(max(v.Hosts, 0)), "host"), plural(uint64(max(v.Rows, 0)), "row"))
	if v.Left > 0 {
		text += fmt.Sprintf(", %s left out", number(uint64(v.Left)))
	}
	return text
}

// inventoriesOf are the inventories of an audit's site.
func inventoriesOf(a *classify.Audit) []classify.InventoryRef {
	if a.Site == nil {
		return nil
	}
	return a.Site.Inventories
}
