package main

import (
	"fmt"
	"strconv"
	"strings"
)

// dnsmasq answers DNS for the names given as NAME=ADDRESS or NAME=CANONICAL.
func dnsmasq(host string, names ...string) server {
	conf := "no-resolv\nno-hosts\nno-daemon\nuser=root\nport=53\nlocal=/example/\nlog-facility=-\n"
	for _, n := range names {
		name, addr, _ := strings.Cut(n, "=")
		if strings.ContainsAny(addr, "abcdefghijklmnopqrstuvwxyz") && !strings.Contains(addr, ":") {
			conf += fmt.Sprintf("cname=%s,%s\n", name, addr)
			continue
		}
		conf += fmt.Sprintf("host-record=%s,%s\n", name, addr)
	}
	return server{host: host, name: "dnsmasq", files: map[string]string{"dnsmasq.conf": conf}, args: []string{"dnsmasq", "-k", "-C", "{dir}/dnsmasq.conf"}, port: 53}
}

// addressServer is a dnsmasq that gives out addresses and boot files and answers no DNS.
func addressServer(host, first, last, bootFile string) server {
	conf := "port=0\nno-daemon\nuser=root\nlog-facility=-\ndhcp-authoritative\nno-ping\ndhcp-leasefile={dir}/leases\n" +
		fmt.Sprintf("dhcp-range=%s,%s,255.255.255.0,1h\n", first, last)
	if bootFile != "" {
		conf += "enable-tftp\ntftp-root={dir}/boot\ndhcp-boot=" + bootFile + "\n"
	}
	return server{host: host, name: "dhcp", files: map[string]string{"dnsmasq.conf": conf}, dirs: []string{"boot"},
		before: [][]string{{"dd", "if=/dev/zero", "of={dir}/boot/" + bootFile + ".img", "bs=1000", "count=3", "status=none"},
			{"mv", "{dir}/boot/" + bootFile + ".img", "{dir}/boot/boot.n12"}},
		args: []string{"dnsmasq", "-k", "-C", "{dir}/dnsmasq.conf"}}
}

// chronyd serves the machine's time and sets no clock.
func chronyd(host string) server {
	return server{host: host, name: "chrony", files: map[string]string{"chrony.conf": "local stratum 8\nallow all\ncmdport 0\nport 123\npidfile {dir}/pid\nbindcmdaddress /\ndriftfile {dir}/drift\n"},
		args: []string{"chronyd", "-d", "-x", "-u", "root", "-f", "{dir}/chrony.conf"}}
}

// vsftpd lets anonymous users store files, with passive data ports 50000 to 50010.
func vsftpd(host string) server { return ftpServer(host, "") }

// vsftpdSecure is the same with TLS, refuses a login in clear, and has one data port, 50005.
func vsftpdSecure(host string) server {
	return ftpServer(host, "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nrequire_ssl_reuse=NO\n"+
		"pasv_min_port=50005\npasv_max_port=50005\nrsa_cert_file={all}/cert.pem\nrsa_private_key_file={all}/key.pem\n")
}

func ftpServer(host, more string) server {
	conf := "listen=YES\nlisten_ipv6=NO\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\nno_anon_password=YES\n" +
		"anon_root={dir}/ftp\nsecure_chroot_dir={dir}/empty\npasv_min_port=50000\npasv_max_port=50010\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nanon_other_write_enable=YES\n" + more
	return server{host: host, name: "vsftpd", files: map[string]string{"vsftpd.conf": conf}, dirs: []string{"ftp/in", "empty"},
		before: [][]string{{"chmod", "0777", "{dir}/ftp/in"}, {"chmod", "0555", "{dir}/ftp"}}, args: []string{"vsftpd", "{dir}/vsftpd.conf"}, port: 21}
}

// ftpPut stores a file by curl in passive mode.
func ftpPut(from, to string) tool { return ftpBy(from, to, "pasv", "--disable-epsv") }

// ftpBy stores a file by curl, which opens the data connection as its options say.
func ftpBy(from, to, name string, options ...string) tool {
	args := append([]string{"curl", "-sS", "-m", "8"}, options...)
	return call(from, append(args, "-T", "{dir}/cert.pem", "ftp://{"+to+"}/in/"+from+"-"+name+".pem")...)
}

// turnRound is OpenSSL's server, which asks for a certificate and sends every line back reversed.
func turnRound(host string, port int) server {
	p := strconv.Itoa(port)
	return server{host: host, name: "openssl-" + p, args: []string{"openssl", "s_server", "-4", "-accept", p, "-Verify", "1", "-cert", "{all}/cert.pem", "-key", "{all}/key.pem", "-rev", "-quiet"}, port: port}
}

// ganesha is NFS-Ganesha with an export in memory, NFSv4 over TCP only, without a port mapper.
func ganesha(host string) server {
	conf := "NFS_CORE_PARAM { Protocols = 4; NFS_Port = 2049; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; mount_path_pseudo = true; }\n" +
		"NFSv4 { RecoveryBackend = fs; RecoveryRoot = {dir}/recovery; Graceless = true; Minor_Versions = 1; }\n" +
		"EXPORT { Export_Id = 1; Path = {dir}/export; Pseudo = /backup; Access_Type = RW; Protocols = 4; Transports = TCP; SecType = sys; FSAL { Name = VFS; } }\n"
	return server{host: host, name: "ganesha", files: map[string]string{"ganesha.conf": conf}, dirs: []string{"recovery", "export", "run"},
		args: []string{"ganesha.nfsd", "-F", "-f", "{dir}/ganesha.conf", "-L", "STDERR", "-N", "WARN", "-p", "{dir}/run/pid"}, port: 2049}
}

// nfsNull calls the null procedure of a host's NFSv4 service by rpcinfo, at the universal address of port 2049.
func nfsNull(from, to string) tool {
	return call(from, "rpcinfo", "-T", "tcp", "-a", "{"+to+"}.8.1", "100003", "4")
}
