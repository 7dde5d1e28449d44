#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Ask a coprocd: client.pl SOCKET LINE...; the listener has replies=status.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path, @requests) = @ARGV;
my $daemon = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\n";
$SIG{ALRM} = sub { die "no reply in time\n" };
for my $request (@requests) {
    alarm 5;
    print $daemon "$request\n";
    my $first = <$daemon> // die "the connection is lost\n";
    if    ($first =~ /^\+(.*\n)/)     { print $1 }
    elsif ($first =~ /^\*(\d+)/)      { print scalar <$daemon> for 1 .. $1 }
    elsif ($first =~ /^-(\S+) (.*)/s) { print "no reply: $1: $2" }
}
