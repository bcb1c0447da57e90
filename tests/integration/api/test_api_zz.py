import asyncio, signal, httpx2, pytest
from tests.integration.api.test_api_server import process, address_of
async def test_x(front):
    codes=[]
    for n in range(12):
        async with process(front.settings, "--port","0") as p:
            url=await address_of(p)
            async with httpx2.AsyncClient(base_url=url, trust_env=False) as h:
                r=await asyncio.gather(*[h.post("/api/v1/tasks", json={"agent":"assistant","input":"x"}) for _ in range(5)])
                assert {x.status_code for x in r}=={201}
                w=[asyncio.create_task(h.get(x.headers["location"]+"?wait=30")) for x in r]
                await asyncio.sleep(.3)
                p.send_signal([signal.SIGTERM, signal.SIGINT][n%2])
                print({x.result().status_code for x in (await asyncio.wait(w))[0] })
                codes.append(await asyncio.wait_for(p.wait(),10))
    print(codes)
