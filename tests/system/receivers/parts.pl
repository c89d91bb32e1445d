#!/usr/bin/perl
# What MIME::Parser reads in messages: one JSON object a file.  Bodies are in hexadecimal digits.
use strict;
use warnings;
use Encode qw(decode);
use JSON::PP;
use MIME::Parser;

sub parts {
	my ($entity) = @_;
	return map { parts($_) } $entity->parts if $entity->parts;
	my $body = $entity->bodyhandle;
	return {
		type => $entity->mime_type,
		charset => $entity->head->mime_attr('content-type.charset'),
		body => unpack('H*', $body ? $body->as_string : ''),
	};
}

my $json = JSON::PP->new->ascii->canonical;
foreach my $file (@ARGV) {
	my $parser = MIME::Parser->new;
	$parser->output_to_core(1);
	$parser->tmp_to_core(1);
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $entity = $parser->parse($in);
	my @fields;
	foreach my $line (@{$entity->head->header}) {
		my ($name, $value) = split(/:/, $line, 2);
		$value =~ s/\r?\n//g;
		$value =~ s/^\s+|\s+$//g;
		push @fields, [$name, $value, decode('MIME-Header', $value)];
	}
	print $json->encode({
		fields => \@fields,
		parts => [parts($entity)],
		complaints => [$parser->results->errors, $parser->results->warnings],
	}), "\n";
}
