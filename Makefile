# Thin aliases: ./dev does the work, with or without make.
.PHONY: run test check lint bench install demo
run test check lint bench install demo:
	@./dev $@
